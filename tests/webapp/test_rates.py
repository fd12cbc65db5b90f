"""Rates by project: counted in memory, merged in Redis over processes, read back by minute and as they stand now."""

from __future__ import annotations

import logging
import uuid

import pytest
import redis

from webapp.core.rate_windows import Window, rates_of
from webapp.core.rates import KEPT_S, NUM_BUCKETS, RateCounter, bucket_end_ms, bucket_of, hour_key
from webapp.core.redis_connection import redis_connection

NOON_S = 1_795_176_000.0


class Clock:
    def __init__(self, now_s: float = NOON_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def slug() -> str:
    return f"p-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counter(clock: Clock) -> RateCounter:
    return RateCounter(clock_s=clock)


def nowhere() -> redis.Redis:
    return redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)


def test_it_sums_what_several_processes_counted(counter: RateCounter, clock: Clock, slug: str) -> None:
    other = RateCounter(clock_s=clock)
    counter.add(slug, {"events": 40.0, "rejected": 2.0})
    other.add(slug, {"events": 20.0})
    counter.flush()
    other.flush()
    clock.now_s += 10
    read = rates_of([slug], clock_s=clock)
    assert read is not None
    assert read[slug].now.per_s("events") == 60 / 30
    assert read[slug].now.counts["rejected"] == 2


def test_it_keeps_the_last_hour_by_minutes(counter: RateCounter, clock: Clock, slug: str) -> None:
    for minute in range(3):
        clock.now_s = NOON_S + 60 * minute
        counter.add(slug, {"events": 60.0 * (minute + 1)})
    counter.flush()
    clock.now_s = NOON_S + 180 + 5
    read = rates_of([slug], clock_s=clock)
    assert read is not None
    assert [window.per_s("events") for window in read[slug].minutes[-4:]] == [0.0, 1.0, 2.0, 3.0]
    assert len(read[slug].minutes) == 60
    assert read[slug].minutes[-1].at_ms == 1000 * (int(NOON_S) + 120)
    assert read[slug].total("events") == 360
    assert 0 < redis_connection().ttl(hour_key(slug, NOON_S)) <= KEPT_S


def test_it_tells_calls_by_status_and_latency(counter: RateCounter, clock: Clock, slug: str) -> None:
    for number in range(100):
        took_s = 0.004 if number < 98 else 0.5
        counter.add_call(slug, status=503 if number == 99 else 200, took_s=took_s, is_degraded=number == 0)
    counter.flush()
    clock.now_s += 10
    read = rates_of([slug], clock_s=clock)
    assert read is not None
    now = read[slug].now
    assert now.counts["calls"] == 100
    assert now.by_status == {200: 99, 503: 1}
    assert now.num_errors == 1
    assert now.share("degraded") == 0.01
    assert now.latency_ms(0.5) == pytest.approx(4.0, rel=0.1)
    assert now.latency_ms(0.99) == pytest.approx(500.0, rel=0.15)


def test_a_level_is_the_newest_that_was_said(counter: RateCounter, clock: Clock, slug: str) -> None:
    counter.level(slug, "lag.run.1", 50)
    clock.now_s += 5
    counter.level(slug, "lag.run.1", 7)
    counter.level(slug, "lag.joiner", 3)
    counter.flush()
    clock.now_s += 10
    read = rates_of([slug], clock_s=clock)
    assert read is not None
    assert read[slug].now.highest("lag.") == 7
    assert read[slug].now.highest("lag.joiner") == 3


def test_projects_do_not_see_each_other(counter: RateCounter, clock: Clock, slug: str) -> None:
    counter.add(slug, {"events": 5.0})
    counter.flush()
    clock.now_s += 10
    read = rates_of([slug, f"{slug}-other"], clock_s=clock)
    assert read is not None
    assert read[f"{slug}-other"].now.counts == {}
    assert read[f"{slug}-other"].now.latency_ms(0.99) is None


def test_counts_wait_for_a_redis_that_is_away_and_the_log_says_so_once(
    clock: Clock, slug: str, caplog: pytest.LogCaptureFixture
) -> None:
    away = True
    counter = RateCounter(lambda: nowhere() if away else redis_connection(), clock_s=clock)
    with caplog.at_level(logging.INFO, logger="webapp.core.rates"):
        for _ in range(3):
            counter.add(slug, {"events": 10.0})
            counter.level(slug, "lag.joiner", 4)
            counter.flush()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        away = False
        counter.flush()
    assert "reach Redis again" in caplog.records[-1].message
    clock.now_s += 10
    read = rates_of([slug], clock_s=clock)
    assert read is not None
    assert read[slug].now.counts == {"events": 30.0, "lag.joiner": 4.0}


def test_what_waited_too_long_is_let_go(clock: Clock, slug: str) -> None:
    away = True
    counter = RateCounter(lambda: nowhere() if away else redis_connection(), clock_s=clock)
    counter.add(slug, {"events": 10.0})
    clock.now_s += 300
    counter.flush()
    away = False
    counter.flush()
    assert not redis_connection().exists(hour_key(slug, NOON_S))


def test_reading_without_redis_says_that_nothing_is_known() -> None:
    assert rates_of(["shop"], connection=nowhere) is None


def test_buckets_of_latency_hold_what_they_say() -> None:
    for took_ms in (0.01, 0.25, 0.26, 1.0, 3.7, 120.0, 59_000.0):
        bucket = bucket_of(took_ms)
        assert took_ms <= bucket_end_ms(bucket) * (1 + 1e-9)
        assert bucket == 0 or took_ms > bucket_end_ms(bucket - 1)
    assert bucket_of(1e9) == NUM_BUCKETS - 1
    assert bucket_end_ms(bucket_of(1.0)) == 1.0


def test_percentiles_go_between_the_ends_of_a_bucket() -> None:
    # 3 of 4 calls in the bucket that ends at 1 ms, one in that which ends at 2 ms
    window = Window(0, 30, {f"ms.{bucket_of(1.0)}": 3.0, f"ms.{bucket_of(2.0)}": 1.0})
    assert window.latency_ms(0.75) == 1.0
    assert window.latency_ms(1.0) == 2.0
