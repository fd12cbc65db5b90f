"""NDCG@k of lists of which one item is right."""

from __future__ import annotations

import numpy as np

from engine.evaluation.hit_rate import LIST_LENGTH, Ranks


def ndcg(ranks: Ranks, length: int = LIST_LENGTH) -> float | None:
    """The mean of 1 / log2(rank + 2) where the rank is below `length`, else 0 (Järvelin and Kekäläinen, TOIS 2002).

    With one right item the ideal list's gain is 1. None of nothing.
    """
    if not ranks.size:
        return None
    hits = (ranks >= 0) & (ranks < length)
    return float(np.where(hits, 1.0 / np.log2(np.maximum(ranks, 0) + 2.0), 0.0).mean())
