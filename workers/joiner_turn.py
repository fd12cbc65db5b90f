"""When a joiner gives its place to another project's: with nothing to do soon, with work after a while.

There are fewer joiners (`FRESHET_JOINER_CONCURRENCY`) than a server may have projects, most of which are quiet most of the time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import redis

from webapp.core.jobs import Job
from workers import sent

logger = logging.getLogger(__name__)

QUIET_S = 5.0
LONGEST_S = 60.0
"""Taking up a project costs seconds, and everybody who waits for a place is as late as this."""
NUM_LOOKS = 3
"""A message waits for a moment whenever a free worker takes one."""


class JoinerTurn:
    """One project's, from its making on. `look` once a second, saying whether there was anything to join since the last look."""

    def __init__(
        self,
        somebody_waits: Callable[[], bool] | None = None,
        may_go: Callable[[], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._somebody_waits = somebody_waits or _somebody_waits
        self._may_go = may_go or _may_go
        self._clock = clock
        self._began_s = self._busy_s = clock()
        self._num_looks = 0
        self.is_over = False
        """Another project waits, this one has had its time, and no other joiner goes for it."""

    @property
    def quiet_s(self) -> float:
        """How long there has been nothing to join."""
        return self._clock() - self._busy_s

    def look(self, *, was_busy: bool) -> None:
        now_s = self._clock()
        if was_busy:
            self._busy_s = now_s
        if self.is_over or not (now_s - self._busy_s >= QUIET_S or now_s - self._began_s >= LONGEST_S):
            return
        self._num_looks = self._num_looks + 1 if self._somebody_waits() else 0
        self.is_over = self._num_looks >= NUM_LOOKS and self._may_go()


def _somebody_waits() -> bool:
    try:
        return sent.num_waiting(Job.JOIN) > 0
    except redis.RedisError:
        return False  # nobody would be told of a free place either


def _may_go() -> bool:
    try:
        return sent.make_room(Job.JOIN)
    except redis.RedisError:
        return False
