"""Python's cyclic collector, kept from walking over what a long-lived process holds anyway.

A full collection looks at every container there is: with a catalogue of 100,000 items some hundred milliseconds in which nobody is
answered, again and again. What has been there for a while stays: it is set aside (`gc.freeze`), and goes by its reference count.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Final

THRESHOLDS: Final = (50_000, 20, 20)
EVERY_S: Final = 60.0


class SettingAside:
    """`turn` often, from one thread: each `every_s` seconds of `clock` what is new is collected once, and what is left is set aside."""

    def __init__(self, every_s: float = EVERY_S, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._due_s = clock()
        gc.set_threshold(*THRESHOLDS)

    def turn(self, *, now: bool = False) -> bool:
        """Whether it was done; `now` does not wait for its time."""
        if not now and self._clock() < self._due_s:
            return False
        self._due_s = self._clock() + self._every_s
        gc.collect()
        gc.freeze()
        return True
