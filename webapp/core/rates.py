"""What happens a second in each project: counted in this process, told to Redis once a second, kept there for two hours.

A request pays for adding to a dictionary. Redis keeps two hashes of a project, which all processes add to: one of an hour by minutes
(`freshet:rates:<project>:<hour>`, fields `<minute>:<name>`) and one of a minute by steps of five seconds
(`freshet:rates:<project>:now:<minute>`, fields `<step>:<name>`). `webapp.core.rate_windows` reads them.

Names: `events`, `repeated`, `rejected`; of calls for items `calls`, `degraded`, `status.<code>` and `ms.<bucket>` (a histogram); and levels
such as `lag.<run>`, of which the newest in a step counts.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import redis

from webapp.core.redis_connection import redis_connection

logger = logging.getLogger(__name__)

STEP_S, MINUTE_S, HOUR_S = 5, 60, 3600
FLUSH_EVERY_S = 1.0
KEPT_S = 2 * HOUR_S + 10 * MINUTE_S
NOW_KEPT_S = 3 * MINUTE_S
HELD_S = 120
"""For how long counts wait in memory for a Redis that is away; older ones are let go, and the log says so."""

SMALLEST_MS, STEPS_PER_DOUBLING, NUM_BUCKETS = 0.25, 4, 73
"""Buckets of latency: each ends 19 % above the one before it; the last ends at 65 s."""

Counts = dict[str, float]


def bucket_of(took_ms: float) -> int:
    """The bucket that a latency falls in: the first that does not end below it."""
    if took_ms <= SMALLEST_MS:
        return 0
    return min(NUM_BUCKETS - 1, math.ceil(STEPS_PER_DOUBLING * math.log2(took_ms / SMALLEST_MS) - 1e-9))


def bucket_end_ms(bucket: int) -> float:
    return float(SMALLEST_MS * 2 ** (bucket / STEPS_PER_DOUBLING))


def hour_key(project: str, at_s: float) -> str:
    return f"freshet:rates:{project}:{int(at_s // HOUR_S)}"


def now_key(project: str, at_s: float) -> str:
    return f"freshet:rates:{project}:now:{int(at_s // MINUTE_S)}"


class RateCounter:
    """Counts of one process. Thread-safe; `project` is a slug."""

    def __init__(
        self, connection: Callable[[], redis.Redis] = redis_connection, clock_s: Callable[[], float] = time.time
    ) -> None:
        self._connection = connection
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, int], Counts] = {}
        self._levels: dict[tuple[str, int], Counts] = {}
        self._is_away = False

    def add(self, project: str, amounts: Mapping[str, float]) -> None:
        """Add to the step that is now."""
        place = (project, int(self._clock_s() // STEP_S))
        with self._lock:
            counts = self._sums.get(place)
            if counts is None:
                counts = self._sums[place] = defaultdict(float)
            for name, amount in amounts.items():
                if amount:
                    counts[name] += amount

    def add_call(self, project: str, *, status: int, took_s: float, is_degraded: bool) -> None:
        """One call for items was answered."""
        amounts = {"calls": 1.0, f"status.{status}": 1.0, f"ms.{bucket_of(1000 * took_s)}": 1.0}
        if is_degraded:
            amounts["degraded"] = 1.0
        self.add(project, amounts)

    def level(self, project: str, name: str, value: float) -> None:
        """How high something is now, in place of what was said of this step before."""
        place = (project, int(self._clock_s() // STEP_S))
        with self._lock:
            self._levels.setdefault(place, {})[name] = value

    def flush(self) -> None:
        """Tell Redis what was counted since the last time, in one round trip. Never raises for Redis."""
        with self._lock:
            sums, self._sums = self._sums, {}
            levels, self._levels = self._levels, {}
        if not sums and not levels:
            return
        try:
            self._tell(sums, levels)
        except redis.ConnectionError as error:
            self._keep(sums, levels, error)
        except redis.RedisError as error:
            # it may have taken them before it failed: better a gap than counting twice
            logger.warning("what was counted in the last second is lost: %s", error)
        else:
            if self._is_away:
                logger.info("rates reach Redis again")
            self._is_away = False

    def _tell(self, sums: Mapping[tuple[str, int], Counts], levels: Mapping[tuple[str, int], Counts]) -> None:
        with self._connection().pipeline(transaction=True) as pipeline:
            for (project, step), counts in sums.items():
                for key, field in _fields(project, step):
                    for name, amount in counts.items():
                        pipeline.hincrby(key, f"{field}:{name}", int(amount))
            for (project, step), counts in levels.items():
                for key, field in _fields(project, step):
                    pipeline.hset(key, mapping={f"{field}:{name}": value for name, value in counts.items()})
            for project, step in {*sums, *levels}:
                pipeline.expire(hour_key(project, step * STEP_S), KEPT_S)
                pipeline.expire(now_key(project, step * STEP_S), NOW_KEPT_S)
            pipeline.execute()

    def _keep(
        self, sums: dict[tuple[str, int], Counts], levels: dict[tuple[str, int], Counts], error: Exception
    ) -> None:
        if not self._is_away:
            logger.warning("rates do not reach Redis, and wait here for at most %d s: %s", HELD_S, error)
        self._is_away = True
        oldest = int(self._clock_s() - HELD_S) // STEP_S
        with self._lock:
            for place, counts in sums.items():
                if place[1] >= oldest:
                    held = self._sums.setdefault(place, defaultdict(float))
                    for name, amount in counts.items():
                        held[name] += amount
            for place, counts in levels.items():
                if place[1] >= oldest:
                    self._levels[place] = {**counts, **self._levels.get(place, {})}


def _fields(project: str, step: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """Where a step is counted: the hash of its hour and its minute there, the hash of its minute and its step there."""
    at_s = step * STEP_S
    hour, now = hour_key(project, at_s), now_key(project, at_s)
    return (hour, str(at_s % HOUR_S // MINUTE_S)), (now, str(at_s % MINUTE_S // STEP_S))


class _Flusher:
    """The counter of this process, and the thread that tells Redis; a child process gets its own."""

    def __init__(self) -> None:
        self.counter = RateCounter()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rates", daemon=True)
        self._thread.start()
        atexit.register(self._stop)

    def _run(self) -> None:
        while not self._stopped.wait(FLUSH_EVERY_S):
            self.counter.flush()

    def _stop(self) -> None:
        self._stopped.set()
        self.counter.flush()


_flusher: _Flusher | None = None
_making = threading.Lock()


def rates() -> RateCounter:
    """This process's counter; what is added to it reaches Redis within two seconds."""
    global _flusher
    if _flusher is None:
        with _making:
            if _flusher is None:
                _flusher = _Flusher()
    return _flusher.counter


def _forget() -> None:
    global _flusher, _making
    _flusher, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
