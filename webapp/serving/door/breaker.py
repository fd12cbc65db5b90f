"""A circuit breaker: a replica that keeps failing is left alone for a while, then asked once to see whether it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

MAX_FAILURES = 5
FIRST_OPEN_S = 0.5
LONGEST_OPEN_S = 10.0


class BreakerState(StrEnum):
    """`closed`: asked as usual. `open`: not asked. `half_open`: one call is under way that decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Opens after `max_failures` failures in a row for `first_open_s` seconds of `clock`; each probe that fails doubles that, up to
    `longest_open_s`. Not thread-safe: all calls are made on one event loop.

    Whoever got True of `may_ask` says afterwards one of `succeeded`, `failed` or `let_go`.
    """

    def __init__(
        self,
        *,
        max_failures: int = MAX_FAILURES,
        first_open_s: float = FIRST_OPEN_S,
        longest_open_s: float = LONGEST_OPEN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = BreakerState.CLOSED
        self._max_failures = max_failures
        self._first_open_s, self._longest_open_s = first_open_s, longest_open_s
        self._clock = clock
        self._num_failures = 0
        self._open_s = first_open_s
        self._open_until_s = 0.0

    def may_ask(self) -> bool:
        """Whether a call may go to the replica now. True once for each time it was open: that call is the probe."""
        if self.state is BreakerState.CLOSED:
            return True
        if self.state is BreakerState.OPEN and self._clock() >= self._open_until_s:
            self.state = BreakerState.HALF_OPEN
            return True
        return False

    def succeeded(self) -> None:
        self.state = BreakerState.CLOSED
        self._num_failures = 0
        self._open_s = self._first_open_s

    def failed(self) -> None:
        if self.state is BreakerState.HALF_OPEN:
            self._open_s = min(self._longest_open_s, 2 * self._open_s)
        self._num_failures += 1
        if self.state is BreakerState.HALF_OPEN or self._num_failures >= self._max_failures:
            self.state = BreakerState.OPEN
            self._open_until_s = self._clock() + self._open_s

    def let_go(self) -> None:
        """The call ended without saying anything of the replica; the next may probe."""
        if self.state is BreakerState.HALF_OPEN:
            self.state = BreakerState.OPEN
            self._open_until_s = self._clock()
