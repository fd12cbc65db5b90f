"""Log loss: how surprised the probabilities were by what happened."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.evaluation.auc import Floats

MARGIN: Final = 1e-7


def log_loss(scores: Floats, labels: Floats) -> float | None:
    """Mean of -ln(probability given to what happened), probabilities kept `MARGIN` away from 0 and 1. None of nothing."""
    if not scores.size:
        return None
    clipped = np.clip(scores.astype(np.float64), MARGIN, 1.0 - MARGIN)
    return float(-np.where(labels > 0.5, np.log(clipped), np.log1p(-clipped)).mean())
