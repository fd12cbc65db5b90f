"""Exponential decay without ageing anything: weights that grow with time, against a landmark that moves in whole half-lives.

Forward decay (Cormode, Shkapenyuk, Srivastava and Xu, ICDE 2009): what happens at time t weighs 2^(t / half-life). Sums of such weights are
in the order of the decayed sums at any later moment, so late events need no special care. The landmark keeps the numbers within a
float32: moving it multiplies every sum by a power of two, which loses no bit.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

TimeArray = npt.NDArray[np.int64]
WeightArray = npt.NDArray[np.float32]

LANDMARK_STEP: Final = 32
"""Half-lives between two landmarks: the newest weight is from 1 to 2^32, which leaves a float32 room for sums of 2^96 of them."""


class ForwardDecay:
    """Weights of events by their time in milliseconds. The landmark depends on the newest time seen alone."""

    def __init__(self, half_life_s: float) -> None:
        if half_life_s <= 0:
            raise ValueError(f"half_life_s must be above 0, received {half_life_s}")
        self.half_life_s = half_life_s
        self.newest_ms: int | None = None
        self._landmark = 0

    def copied(self) -> ForwardDecay:
        copy = ForwardDecay(self.half_life_s)
        if self.newest_ms is not None:
            copy.advance(self.newest_ms)
        return copy

    def advance(self, time_ms: int) -> float:
        """Note the time of something about to be weighed; answers the factor that every sum so far has to be multiplied by (1.0
        unless the landmark moved)."""
        if self.newest_ms is not None and time_ms <= self.newest_ms:
            return 1.0
        is_first, before = self.newest_ms is None, self._landmark
        self.newest_ms = time_ms
        self._landmark = LANDMARK_STEP * math.floor(self._half_lives(time_ms) / LANDMARK_STEP)
        return 1.0 if is_first else 2.0 ** max(before - self._landmark, -1000)

    def weights(self, times_ms: TimeArray) -> WeightArray:
        """float32[n] for int64[n], none of them newer than what `advance` was told."""
        weights: WeightArray = np.exp2(times_ms / (1000.0 * self.half_life_s) - self._landmark).astype(np.float32)
        return weights

    def to_now(self) -> float:
        """What turns a sum of weights into the decayed count as of the newest event."""
        return 1.0 if self.newest_ms is None else 2.0 ** (self._landmark - self._half_lives(self.newest_ms))

    def _half_lives(self, time_ms: int) -> float:
        return time_ms / (1000.0 * self.half_life_s)
