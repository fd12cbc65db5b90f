"""When a call is made again, and after which pause."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

RETRIED: Final = frozenset((429, 502, 503, 504))
"""Statuses of a server that is busy or away. All calls of this client may be made twice: events have ids, the rest replaces or reads."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """At most `num_tries` tries. Pauses are drawn from 0 to a bound that doubles from `first_pause_s` up to `longest_pause_s`, so that many
    clients do not come back together; a server's `Retry-After` is the least pause, and one beyond `longest_pause_s` ends the tries."""

    num_tries: int = 4
    first_pause_s: float = 0.1
    longest_pause_s: float = 10.0
    draw: Callable[[], float] = field(default=random.random, compare=False)
    sleep: Callable[[float], None] = field(default=time.sleep, compare=False)

    def pause_s(self, num_tried: int, retry_after: str | None) -> float | None:
        """Seconds until the next try; None: there is none."""
        if num_tried >= self.num_tries:
            return None
        drawn = self.draw() * min(self.longest_pause_s, self.first_pause_s * 2.0 ** (num_tried - 1))
        least = _seconds(retry_after)
        return None if least > self.longest_pause_s else max(least, drawn)


def _seconds(retry_after: str | None) -> float:
    """A date, which the header may also hold, is taken for no wish at all."""
    try:
        return max(0.0, float(retry_after or 0.0))
    except ValueError:
        return 0.0
