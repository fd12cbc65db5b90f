"""Hit rate over a sliding window: of a model that learns and of its frozen copy, on the same clicks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

LIST_LENGTH = 10
WINDOW_CLICKS = 2_000


class HitRates:
    """Whether each of the last `window` evaluated clicks was in the model's list, and in the frozen model's."""

    def __init__(self, window: int = WINDOW_CLICKS, hits: Sequence[Sequence[bool]] = ()) -> None:
        self._hits = deque(((bool(live), bool(frozen)) for live, frozen in hits), maxlen=window)

    def note(self, live: npt.NDArray[np.bool_], frozen: npt.NDArray[np.bool_]) -> None:
        self._hits.extend(zip(live.tolist(), frozen.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self._hits)

    def values(self) -> dict[str, float | None]:
        """`hr_at_10`, `hr_at_10_frozen`: shares of the window; None while it is empty."""
        if not self._hits:
            return {"hr_at_10": None, "hr_at_10_frozen": None}
        live, frozen = np.array(self._hits, np.float64).mean(axis=0)
        return {"hr_at_10": float(live), "hr_at_10_frozen": float(frozen)}

    def as_json(self) -> list[Any]:
        return [[int(live), int(frozen)] for live, frozen in self._hits]


def hits_in_top(
    scores: npt.NDArray[np.floating[Any]], targets: npt.NDArray[np.int64], length: int = LIST_LENGTH
) -> npt.NDArray[np.bool_]:
    """Whether column `targets[i]` is among the `length` highest of row i of scores[m, n]; bool[m].

    Of equal scores the column further left ranks higher. A target of -1, or scored -inf, is no hit. NaN counts as -inf.
    """
    scores = np.where(np.isnan(scores), -np.inf, scores)
    rows = np.arange(targets.size)
    known = targets >= 0
    own = (
        scores[rows, np.maximum(targets, 0)][:, np.newaxis] if scores.shape[1] else np.full((targets.size, 1), -np.inf)
    )
    earlier = np.arange(scores.shape[1])[np.newaxis, :] < targets[:, np.newaxis]
    rank = (scores > own).sum(axis=1) + ((scores == own) & earlier).sum(axis=1)
    hits: npt.NDArray[np.bool_] = known & (rank < length) & (own[:, 0] > -np.inf)
    return hits
