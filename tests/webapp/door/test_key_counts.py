"""How often a key may ask, counted by several processes through one Redis."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from webapp.accounts import key_counts
from webapp.accounts.key_counts import KeyCounts


class Clock:
    now_s = 1_000.25

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def prefix(servers: Any) -> str:
    return uuid.uuid4().hex[:10]


def test_it_refuses_what_is_beyond_the_rate_until_the_next_window(prefix: str) -> None:
    clock = Clock()
    counts = KeyCounts("2/minute", clock)
    assert [counts.wait_s(prefix) for _ in range(3)] == [0.0, 0.0, 19.75]
    assert counts.wait_s("another") == 0.0
    clock.now_s = 1_020.0
    assert counts.wait_s(prefix) == 0.0


def test_processes_learn_what_others_counted(prefix: str) -> None:
    clock = Clock()
    one, other = KeyCounts("10/minute", clock), KeyCounts("10/minute", clock)
    assert [one.wait_s(prefix) for _ in range(6)] == [0.0] * 6
    one.tell()
    assert not one.has_news()
    assert other.wait_s(prefix) == 0.0
    other.tell()
    assert [other.wait_s(prefix) > 0 for _ in range(4)] == [False, False, False, True]
    other.tell()
    one.wait_s(prefix)
    one.tell()
    assert one.wait_s(prefix) > 0


def test_without_redis_it_goes_by_what_it_counted_itself(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    away = redis.Redis(port=9, socket_connect_timeout=0.05, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(key_counts, "redis_connection", lambda: away)
    counts = KeyCounts("2/minute", Clock())
    counts.wait_s(prefix)
    counts.tell()
    assert [counts.wait_s(prefix) > 0 for _ in range(2)] == [False, True]
