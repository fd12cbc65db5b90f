"""This process's connection to Redis, for what is counted rather than kept."""

from __future__ import annotations

from functools import cache

import redis
from django.conf import settings

TIMEOUT_S = 0.5


@cache
def redis_connection() -> redis.Redis:
    """A thread-safe client; it connects at first use and again after a break."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
