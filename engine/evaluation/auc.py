"""Area under the ROC curve, exact over arrays and streaming over decayed histograms."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

NUM_BINS: Final = 2048


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


class StreamingAuc:
    """AUC of a stream in which each example counts exp2(-age / half_life), age in examples.

    Scores lie in [0, 1] and are binned by log-odds (the rare event's scores crowd near 0); pairs within one of the `NUM_BINS` bins
    count half.
    """

    def __init__(self, half_life: float = 20_000.0) -> None:
        self.half_life = half_life
        self.histograms = np.zeros((2, NUM_BINS), np.float64)

    def note(self, scores: Floats, labels: Floats) -> None:
        self.histograms *= 2.0 ** (-scores.size / self.half_life)
        bins = _bins_of(scores)
        for row, chosen in enumerate((labels <= 0.5, labels > 0.5)):
            self.histograms[row] += np.bincount(bins[chosen], minlength=NUM_BINS)

    @property
    def value(self) -> float | None:
        """None until both labels have been seen."""
        negatives, positives = self.histograms
        pairs = float(negatives.sum() * positives.sum())
        if pairs <= 0.0:
            return None
        below = np.cumsum(negatives) - negatives
        return float(positives @ (below + 0.5 * negatives)) / pairs


def _bins_of(scores: Floats) -> npt.NDArray[np.int64]:
    clipped = np.clip(scores.astype(np.float64), 1e-9, 1.0 - 1e-9)
    log_odds = np.log(clipped) - np.log1p(-clipped)
    # ln(1e-9) is -20.7: the clipped log-odds fill [-21, 21].
    return ((log_odds + 21.0) * (NUM_BINS / 42.0)).astype(np.int64)
