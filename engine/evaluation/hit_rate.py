"""Where a click's item stood in the list that was made before it, and whether that is among the first k."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

LIST_LENGTH: Final = 10
MISSED: Final = -1
"""The rank of an item that was not ranked at all."""

NOT_ASKED: Final = -2
"""In place of a rank: there was no such list."""

Ranks = npt.NDArray[np.int32]


def ranks_of(scores: npt.NDArray[np.floating[Any]], targets: npt.NDArray[np.int64]) -> Ranks:
    """How many columns of row i of scores[m, n] rank above column `targets[i]`, int32[m].

    Of equal scores the column further left ranks higher. A target of -1, or scored -inf, is `MISSED`. NaN counts as -inf.
    """
    scores = np.where(np.isnan(scores), -np.inf, scores)
    rows = np.arange(targets.size)
    known = targets >= 0
    own = (
        scores[rows, np.maximum(targets, 0)][:, np.newaxis] if scores.shape[1] else np.full((targets.size, 1), -np.inf)
    )
    earlier = np.arange(scores.shape[1])[np.newaxis, :] < targets[:, np.newaxis]
    ranks = (scores > own).sum(axis=1) + ((scores == own) & earlier).sum(axis=1)
    return np.where(known & (own[:, 0] > -np.inf), ranks, MISSED).astype(np.int32)


def hit_rate(ranks: Ranks, length: int = LIST_LENGTH) -> float | None:
    """HR@k: the share of ranks below `length`, `NOT_ASKED` left out; None of nothing."""
    ranks = ranks[ranks != NOT_ASKED]
    return float(((ranks >= 0) & (ranks < length)).mean()) if ranks.size else None
