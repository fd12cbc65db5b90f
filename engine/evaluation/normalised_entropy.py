"""Log loss in units of what knowing nothing but the average rate would cost."""

from __future__ import annotations

import math

from engine.evaluation.auc import Floats
from engine.evaluation.log_loss import log_loss


def normalised_entropy(scores: Floats, labels: Floats) -> float | None:
    """Log loss over the entropy of the labels' mean (He et al., ADKDD 2014): 1 is no better than that mean, 0 is perfect.

    Unlike log loss it can be compared between slices of different rates. None without both labels.
    """
    loss = log_loss(scores, labels)
    rate = float((labels > 0.5).mean()) if labels.size else 0.0
    if loss is None or not 0.0 < rate < 1.0:
        return None
    return loss / -(rate * math.log(rate) + (1.0 - rate) * math.log1p(-rate))
