"""Counts of clicks by key as of a moment that only moves forward: sliding windows and exponential decay, in event time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.integer[Any]]
Times = npt.NDArray[np.int64]

_RENORMALISE_AT: Final = 40.0
"""Half-lives after which stored weights are scaled down again, long before float64 runs out."""


class SlidingCounts:
    """How many events each key had in the `window_ms` before a moment.

    `keys` and `times_ms` hold the whole log; `advance(t)` counts exactly the events with t - window <= time < t. `counts` is
    float32[num_keys] and must not be written to.
    """

    def __init__(self, keys: Keys, times_ms: Times, num_keys: int, window_ms: int) -> None:
        self._keys = keys
        self._times_ms = times_ms
        self._window_ms = window_ms
        self._entered = self._left = 0
        self.counts = np.zeros(num_keys, np.float32)

    def advance(self, time_ms: int) -> None:
        entered = int(np.searchsorted(self._times_ms, time_ms, "left"))
        left = int(np.searchsorted(self._times_ms, time_ms - self._window_ms, "left"))
        np.add.at(self.counts, self._keys[self._entered : entered], np.float32(1))
        np.subtract.at(self.counts, self._keys[self._left : left], np.float32(1))
        self._entered, self._left = entered, left


class DecayedSums:
    """Sums of weights by key, each weight halved every `half_life_ms` since its event.

    Stored in units of one moment, so that time passing costs nothing: `add` puts in w · 2^((t - reference) / half_life).
    """

    def __init__(self, num_keys: int, half_life_ms: float) -> None:
        self._half_life_ms = half_life_ms
        self._reference_ms: int | None = None
        self._stored = np.zeros(num_keys, np.float64)

    def add(self, keys: Keys, times_ms: Times, weights: npt.NDArray[np.floating[Any]] | None = None) -> None:
        """Add events, in any order; `weights` float[n], by default 1 each."""
        if not keys.size:
            return
        newest = int(times_ms.max())
        if self._reference_ms is None:
            self._reference_ms = newest
        if (newest - self._reference_ms) / self._half_life_ms > _RENORMALISE_AT:
            self._stored *= self._factor(newest)
            self._reference_ms = newest
        scaled = np.exp2((times_ms - self._reference_ms) / self._half_life_ms)
        np.add.at(self._stored, keys, scaled if weights is None else scaled * weights)

    def at(self, time_ms: int, keys: Keys | slice = slice(None)) -> npt.NDArray[np.float32]:
        """float32: the sums of the keys as of `time_ms`."""
        sums: npt.NDArray[np.float32] = (self._stored[keys] * self._factor(time_ms)).astype(np.float32)
        return sums

    def _factor(self, time_ms: int) -> float:
        """What a stored unit is worth at a moment."""
        if self._reference_ms is None:
            return 0.0
        return float(np.exp2((self._reference_ms - time_ms) / self._half_life_ms))
