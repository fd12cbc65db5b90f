"""How far predicted numbers are from what came: in the task's own unit, and on the scale of their logarithms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.evaluation.auc import Floats

Doubles = npt.NDArray[np.float64]


def mean_absolute_error(predictions: Floats, targets: Floats) -> float | None:
    """Mean of |prediction - target|, in the target's unit. None of nothing."""
    return float(np.abs(_differences(predictions, targets)).mean()) if targets.size else None


def root_mean_squared_error(predictions: Floats, targets: Floats) -> float | None:
    """Root of the mean of (prediction - target)², in the target's unit. None of nothing."""
    return float(np.sqrt(np.square(_differences(predictions, targets)).mean())) if targets.size else None


def root_mean_squared_log_error(predictions: Floats, targets: Floats) -> float | None:
    """The same of sign(y)·ln(1 + |y|): 0.1 is about a tenth off, however large the number is. None of nothing."""
    return root_mean_squared_error(_logarithm(predictions), _logarithm(targets))


def mean_ratio(predictions: Floats, targets: Floats) -> float | None:
    """Sum of the predictions over that of the targets: above 1 promises too much. None where the targets add up to nothing."""
    total = float(targets.sum(dtype=np.float64))
    return float(predictions.sum(dtype=np.float64)) / total if total else None


def _differences(predictions: Floats, targets: Floats) -> Doubles:
    return predictions.astype(np.float64) - targets.astype(np.float64)


def _logarithm(numbers: Floats) -> Doubles:
    wide = numbers.astype(np.float64)
    logarithms: Doubles = np.sign(wide) * np.log1p(np.abs(wide))
    return logarithms
