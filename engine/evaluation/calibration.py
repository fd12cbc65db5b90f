"""Whether probabilities are as large as what happens: in all, and along the scale."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.evaluation.auc import Floats

NUM_BINS: Final = 10


def calibration(scores: Floats, labels: Floats) -> float | None:
    """Mean predicted over mean observed: above 1 promises too much, below 1 too little. None without a positive."""
    num_positives = float((labels > 0.5).sum())
    return float(scores.sum(dtype=np.float64)) / num_positives if num_positives else None


def reliability(scores: Floats, labels: Floats, num_bins: int = NUM_BINS) -> list[dict[str, float | int]]:
    """The reliability curve: `num_bins` bins of equally many scores (to one), lowest first, fewer when there are fewer scores.

    Each bin is `predicted` (its scores' mean), `observed` (its share of positives) and `num`. Bins of equal width would leave most of
    them empty where what is predicted is rare.
    """
    order = np.argsort(scores, kind="stable")
    return [
        {
            "predicted": float(scores[chosen].mean(dtype=np.float64)),
            "observed": float((labels[chosen] > 0.5).mean()),
            "num": int(chosen.size),
        }
        for chosen in np.array_split(order, min(num_bins, max(1, scores.size)))
        if chosen.size
    ]
