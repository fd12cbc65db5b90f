"""The normal distribution over arrays."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.ranking.reranking.pool import Doubles

# Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.17.
_SCALE: Final = 0.2316419
_TERMS: Final = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)


def normal_cdf(values: Doubles) -> Doubles:
    """The chance that a standard normal is at most each of `values`, any shape; absolute error below 7.5e-8."""
    size = np.abs(values)
    t = 1.0 / (1.0 + _SCALE * size)
    polynomial = np.zeros_like(t)
    for term in reversed(_TERMS):
        polynomial = (polynomial + term) * t
    upper = np.exp(-0.5 * size * size) * polynomial / np.sqrt(2.0 * np.pi)
    result: Doubles = np.where(values >= 0, 1.0 - upper, upper)
    return result
