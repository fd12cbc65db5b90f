"""How often a key may ask, counted without waiting for Redis: for an event loop, which answers many at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from webapp.accounts.throttling import parse_rate
from webapp.core.redis_connection import redis_connection

logger = logging.getLogger(__name__)

MAX_KEYS = 10_000


@dataclass(slots=True)
class _Count:
    """Of one key in one window: counted here, of those told to Redis, and counted by others as Redis said last."""

    window: int
    own: int = 0
    told: int = 0
    others: int = 0


class KeyCounts:
    """The limit of `KeyThrottle`, and the same counters in Redis. Thread-safe.

    `wait_s` counts in this process; `tell` tells Redis and learns what other processes counted. Between two calls of `tell` a key
    may ask more than it may by what others let in meanwhile. Without Redis each process goes by what it counted itself.
    """

    def __init__(self, rate: str, clock: Callable[[], float] = time.time) -> None:
        self._limit, self._window_s = parse_rate(rate)
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, _Count] = {}

    def wait_s(self, prefix: str) -> float:
        """Count one request of the key; 0 when it may be answered, else seconds until the next window."""
        now = self._clock()
        window = int(now // self._window_s)
        with self._lock:
            count = self._counts.get(prefix)
            if count is None or count.window != window:
                if len(self._counts) >= MAX_KEYS:
                    self._counts = {one: kept for one, kept in self._counts.items() if kept.window == window}
                count = self._counts[prefix] = _Count(window)
            count.own += 1
            if count.own + count.others <= self._limit:
                return 0.0
        return (window + 1) * self._window_s - now

    def has_news(self) -> bool:
        """Whether `tell` would say something."""
        with self._lock:
            return any(count.own > count.told for count in self._counts.values())

    def tell(self) -> None:
        """Tell Redis what was counted since the last time. Waits for it."""
        with self._lock:
            news = [(prefix, count, count.own - count.told) for prefix, count in self._counts.items()]
        news = [one for one in news if one[2]]
        if not news:
            return
        try:
            with redis_connection().pipeline(transaction=False) as pipeline:
                for prefix, count, num in news:
                    counter = f"freshet:rate:{prefix}:{count.window}"
                    pipeline.incrby(counter, num)
                    pipeline.expire(counter, self._window_s + 1)
                totals = pipeline.execute()[::2]
        except redis.RedisError as error:
            logger.warning("requests are not counted: %s", error)
            return
        with self._lock:
            for (_, count, num), total in zip(news, totals, strict=True):
                count.told += num
                count.others = int(total) - count.told
