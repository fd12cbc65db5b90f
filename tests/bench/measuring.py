"""Rates and shares from interleaved slices, latencies from single requests."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Slice = Callable[[], int]
"""Does some work and answers how many things it did."""


def interleaved(slices: Mapping[str, Slice], num_rounds: int) -> dict[str, list[float]]:
    """Things a second of every slice in every round. Slices take turns, so a slow phase of the machine meets all of them."""
    rates: dict[str, list[float]] = {name: [] for name in slices}
    for _ in range(num_rounds):
        for name, work in slices.items():
            started = time.perf_counter()
            num = work()
            rates[name].append(num / (time.perf_counter() - started))
    return rates


def median_share(rates: Sequence[float], of: Sequence[float]) -> float:
    """The median over rounds of one rate by another of the same round."""
    return statistics.median(rate / other for rate, other in zip(rates, of, strict=True))


def percentile_ms(took_s: Sequence[float], share: float) -> float:
    """The latency in milliseconds that `share` of the requests stayed within (nearest rank, never interpolated)."""
    return float(np.quantile(np.array(took_s), share, method="inverted_cdf")) * 1000
