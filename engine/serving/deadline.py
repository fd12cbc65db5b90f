"""How much time a request has left, and how long a stage of it usually takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

_NEWEST_WEIGHT: Final = 0.05
_DOUBT: Final = 0.9


class Deadline:
    """`left_s` from now, by `stopwatch` (seconds); None: no deadline."""

    def __init__(self, stopwatch: Callable[[], float], left_s: float | None) -> None:
        self._stopwatch = stopwatch
        self._until_s = math.inf if left_s is None else stopwatch() + left_s

    def allows(self, needed_s: float) -> bool:
        """Whether what takes so long can still be done in time."""
        return self._until_s == math.inf or self._stopwatch() + needed_s <= self._until_s


class UsualTime:
    """A moving average of how long something takes, in seconds. From any thread: a lost update is of no account."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def doubt(self) -> None:
        """Something was left undone because it takes so long: believe it a little less, so that one slow time is not held against it
        for ever."""
        self.seconds *= _DOUBT

    def note(self, took_s: float) -> None:
        self.seconds += (took_s - self.seconds) * (_NEWEST_WEIGHT if self.seconds else 1.0)
