"""How often a key may ask."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import redis
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from webapp.accounts.models import ApiKey
from webapp.core.redis_connection import redis_connection

if TYPE_CHECKING:
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class KeyThrottle(BaseThrottle):
    """A number of requests of one key in each window of wall time, over all processes, counted in Redis.

    Without Redis nothing is refused: a lost counter must not stop the service.
    """

    def __init__(self, rate: str | None = None, clock: Callable[[], float] = time.time) -> None:
        self._limit, self._window_s = parse_rate(rate or str(api_settings.DEFAULT_THROTTLE_RATES["key"]))
        self._clock = clock
        self._wait_s: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002
        if not isinstance(request.auth, ApiKey):
            return True
        now = self._clock()
        window = int(now // self._window_s)
        try:
            with redis_connection().pipeline(transaction=False) as pipeline:
                counter = f"freshet:rate:{request.auth.prefix}:{window}"
                pipeline.incr(counter)
                pipeline.expire(counter, self._window_s + 1)
                count = int(pipeline.execute()[0])
        except redis.RedisError as error:
            logger.warning("requests are not counted: %s", error)
            return True
        self._wait_s = (window + 1) * self._window_s - now
        return count <= self._limit

    def wait(self) -> float | None:
        """Seconds until the next window."""
        return self._wait_s


def parse_rate(rate: str) -> tuple[int, int]:
    """`"2000/second"` -> (2000, 1). Raises `ValueError`."""
    number, _, period = rate.partition("/")
    if not number.isdigit() or period[:1] not in SECONDS:
        raise ValueError(f"a rate is <number>/<second|minute|hour|day> (received {rate!r})")
    return int(number), SECONDS[period[0]]
