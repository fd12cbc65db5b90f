"""Doing something at most so often, inside a loop that turns faster."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """`is_due()` is true at first and then once in each `interval_s` at most."""

    def __init__(self, interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s, self._clock = interval_s, clock
        self._next_at: float | None = None

    def is_due(self) -> bool:
        now = self._clock()
        if self._next_at is not None and now < self._next_at:
            return False
        self._next_at = now + self._interval_s
        return True
