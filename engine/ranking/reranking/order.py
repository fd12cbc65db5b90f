"""The best first, of equals the earlier."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.ranking.reranking.pool import Places, Scores

_FEW: Final = 1024
"""So many are sorted sooner than parted."""


def best_places(scores: Scores, num: int) -> Places:
    """The places int64[min(num, n)] of the greatest of `scores` float32[n], without sorting the others."""
    if num <= 0:
        return np.empty(0, np.int64)
    if num >= scores.size or scores.size <= _FEW:
        return np.argsort(-scores, kind="stable")[:num]
    least = np.partition(scores, scores.size - num)[scores.size - num]
    near = np.flatnonzero(scores >= least)
    best: Places = near[np.argsort(-scores[near], kind="stable")[:num]]
    return best
