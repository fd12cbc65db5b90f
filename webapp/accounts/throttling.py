"""How often a key may ask, and how often an address may ask with keys that nobody has."""

from __future__ import annotations

import ipaddress
import logging
import threading
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
MAX_WAITING = 10_000


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


class UnknownKeys:
    """Wrong keys of each address in each window of wall time, over all processes, counted in Redis.

    An address that sent too many is told to wait, and its wrong keys are not looked up meanwhile; keys that were right lately go
    on, for many clients can share an address. Without Redis nothing is refused.
    """

    def __init__(self, rate: str | None = None, clock: Callable[[], float] = time.time) -> None:
        self._limit, self._window_s = parse_rate(rate or str(api_settings.DEFAULT_THROTTLE_RATES["unknown_key"]))
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting_until_s: dict[str, float] = {}

    def wait_s(self, address: str) -> float:
        """Seconds until the address is heard again, as far as this process knows; 0 for now."""
        if not self._waiting_until_s:
            return 0.0
        until_s = self._waiting_until_s.get(network_of(address))
        return max(0.0, until_s - self._clock()) if until_s is not None else 0.0

    def count(self, address: str) -> float:
        """Note one more; answers seconds as `wait_s`."""
        network, now = network_of(address), self._clock()
        window = int(now // self._window_s)
        counter = f"freshet:unknown-key:{network}:{window}"
        try:
            with redis_connection().pipeline(transaction=False) as pipeline:
                pipeline.incr(counter)
                pipeline.expire(counter, self._window_s + 1)
                count = int(pipeline.execute()[0])
        except redis.RedisError as error:
            logger.warning("unknown keys are not counted: %s", error)
            return 0.0
        if count <= self._limit:
            return 0.0
        with self._lock:
            if len(self._waiting_until_s) >= MAX_WAITING:
                self._waiting_until_s = {one: until for one, until in self._waiting_until_s.items() if until > now}
            if len(self._waiting_until_s) < MAX_WAITING:
                self._waiting_until_s[network] = (window + 1) * self._window_s
        return (window + 1) * self._window_s - now


def network_of(address: str) -> str:
    """Whom an address belongs to: itself, or the /64 of an IPv6 one, all of which one host may use."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed.packed[:8] + bytes(8), 64)))


def parse_rate(rate: str) -> tuple[int, int]:
    """`"2000/second"` -> (2000, 1). Raises `ValueError`."""
    number, _, period = rate.partition("/")
    if not number.isdigit() or period[:1] not in SECONDS:
        raise ValueError(f"a rate is <number>/<second|minute|hour|day> (received {rate!r})")
    return int(number), SECONDS[period[0]]
