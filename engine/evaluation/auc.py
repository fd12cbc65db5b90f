"""Area under the ROC curve, exact over arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


def auc(scores: Floats, labels: Floats) -> float | None:
    """The share of (positive, negative) pairs in which the positive scores higher, ties counting half. None without both labels."""
    positive = labels > 0.5
    num_positives, num_negatives = int(positive.sum()), int((~positive).sum())
    if not num_positives or not num_negatives:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2.0
    rank_sum = float(mean_ranks[inverse.ravel()][positive].sum())
    return (rank_sum - num_positives * (num_positives + 1) / 2.0) / (num_positives * num_negatives)
