"""Coverage@k: how much of the catalogue the lists show at all."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.evaluation.hit_rate import LIST_LENGTH

Lists = npt.NDArray[np.int32]
NO_ITEM: Final = -1


def top_of(scores: npt.NDArray[np.floating[Any]], length: int = LIST_LENGTH) -> Lists:
    """The columns of the `length` highest of each row of scores[m, n], in no order, int32[m, length].

    `NO_ITEM` stands where there are fewer, or only -inf.
    """
    lists = np.full((scores.shape[0], length), NO_ITEM, np.int32)
    num = min(length, scores.shape[1])
    if not num or not scores.shape[0]:
        return lists
    columns = np.argpartition(-scores, num - 1, axis=1)[:, :num]
    shown = np.take_along_axis(scores, columns, axis=1) > -np.inf
    lists[:, :num] = np.where(shown, columns, NO_ITEM)
    return lists


def coverage(lists: Lists, num_items: int) -> float | None:
    """Distinct items in lists[m, k] over the number of items there are; None without lists or items."""
    shown = np.unique(lists[lists >= 0])
    return min(1.0, shown.size / num_items) if shown.size and num_items else None
