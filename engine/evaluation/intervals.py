"""Confidence intervals by the bootstrap (Efron, 1979): whole groups are drawn with replacement, the statistic is taken of each draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

NUM_RESAMPLES: Final = 1000
LEVEL: Final = 0.95

Sums = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of the sample and the bounds between which its bootstrap values lie, at `LEVEL`."""

    value: float
    low: float
    high: float

    def as_values(self, name: str) -> dict[str, float]:
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def bootstrap(
    rows: npt.NDArray[np.floating[Any]],
    statistic: Callable[[Sums], Sums],
    *,
    seed: int,
    groups: npt.NDArray[np.integer[Any]] | None = None,
    num_resamples: int = NUM_RESAMPLES,
) -> Estimate:
    """The estimate of `statistic`, a function of column sums.

    rows float[n, k] are summed over a draw of n groups to float64[b, k], of which `statistic` answers float64[b]. `groups` int[n]
    says which rows belong together (clicks of one user); by default each row is a group of its own. Raises ValueError without rows.
    """
    if not rows.size:
        raise ValueError("a confidence interval needs at least one row")
    grouped = _by_group(rows, groups)
    value = float(statistic(grouped.sum(axis=0, keepdims=True))[0])
    rng = np.random.default_rng(seed)
    num_groups = grouped.shape[0]
    sums = np.empty((num_resamples, grouped.shape[1]), np.float64)
    for number in range(num_resamples):
        drawn = np.bincount(rng.integers(num_groups, size=num_groups), minlength=num_groups)
        sums[number] = drawn @ grouped
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(statistic(sums), [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


def mean_of(values: npt.NDArray[Any], *, seed: int, groups: npt.NDArray[np.integer[Any]] | None = None) -> Estimate:
    """The mean of float[n]."""
    rows = np.stack([values.astype(np.float64), np.ones(values.size)], axis=1)
    return bootstrap(rows, lambda sums: sums[:, 0] / sums[:, 1], seed=seed, groups=groups)


def gain_of(
    values: npt.NDArray[Any],
    over: npt.NDArray[Any],
    *,
    seed: int,
    groups: npt.NDArray[np.integer[Any]] | None = None,
) -> Estimate:
    """mean(values) / mean(over) - 1, drawn in pairs: float[n] each, of the same rows."""
    rows = np.stack([values.astype(np.float64), over.astype(np.float64)], axis=1)

    def relative(sums: Sums) -> Sums:
        with np.errstate(divide="ignore", invalid="ignore"):
            return sums[:, 0] / sums[:, 1] - 1.0

    return bootstrap(rows, relative, seed=seed, groups=groups)


def _by_group(rows: npt.NDArray[np.floating[Any]], groups: npt.NDArray[np.integer[Any]] | None) -> Sums:
    if groups is None:
        return rows.astype(np.float64)
    _, numbers = np.unique(groups, return_inverse=True)
    numbers = numbers.ravel()
    return np.stack([np.bincount(numbers, weights=column) for column in rows.astype(np.float64).T], axis=1)
