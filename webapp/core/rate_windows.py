"""Reading what all processes counted: a project's last hour by minutes, and how things stand now."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import redis

from webapp.core.rates import HOUR_S, MINUTE_S, STEP_S, bucket_end_ms, hour_key, now_key
from webapp.core.redis_connection import redis_connection

logger = logging.getLogger(__name__)

NUM_MINUTES = 60
NUM_STEPS = 6
"""Now: so many whole steps of `STEP_S`, the newest of which has had time to reach Redis."""

SETTLED_S = 2.0
FIRST_ERROR = 400


@dataclass(frozen=True)
class Window:
    """What was counted within `lasts_s` from `at_ms` on. A level is that of the newest step that said one."""

    at_ms: int
    lasts_s: int
    counts: Mapping[str, float] = field(default_factory=dict)

    def per_s(self, name: str) -> float:
        return self.counts.get(name, 0.0) / self.lasts_s

    def share(self, name: str) -> float | None:
        """Of the calls; None where there was none."""
        calls = self.counts.get("calls", 0.0)
        return self.counts.get(name, 0.0) / calls if calls else None

    @property
    def by_status(self) -> dict[int, int]:
        """Answered calls by status, the statuses in order."""
        found = {int(name[7:]): int(num) for name, num in self.counts.items() if name.startswith("status.")}
        return dict(sorted(found.items()))

    @property
    def num_errors(self) -> int:
        """Calls for items that were refused or failed."""
        return sum(num for status, num in self.by_status.items() if status >= FIRST_ERROR)

    def latency_ms(self, share: float) -> float | None:
        """The latency that this share of the calls did not exceed, to within a tenth; None without calls."""
        buckets = sorted((int(name[3:]), num) for name, num in self.counts.items() if name.startswith("ms."))
        wanted, seen = share * sum(num for _, num in buckets), 0.0
        for bucket, num in buckets:
            if seen + num >= wanted:
                low = bucket_end_ms(bucket - 1) if bucket else 0.0
                return low + (bucket_end_ms(bucket) - low) * (wanted - seen) / num
            seen += num
        return None

    def highest(self, prefix: str) -> float | None:
        """The highest of the levels whose names begin so; None without one."""
        return max((value for name, value in self.counts.items() if name.startswith(prefix)), default=None)


@dataclass(frozen=True)
class ProjectRates:
    """`minutes` are the last hour's whole ones, oldest first; `now` is the newest half a minute."""

    now: Window
    minutes: list[Window]

    def total(self, name: str) -> float:
        return sum(window.counts.get(name, 0.0) for window in self.minutes)


def rates_of(
    slugs: Sequence[str],
    *,
    connection: Callable[[], redis.Redis] = redis_connection,
    clock_s: Callable[[], float] = time.time,
) -> dict[str, ProjectRates] | None:
    """By slug, over all processes, in one round trip; None when Redis does not answer."""
    now_s = clock_s()
    hours = [now_s - HOUR_S, now_s]
    minutes = [now_s - MINUTE_S, now_s]
    try:
        with connection().pipeline(transaction=False) as pipeline:
            for slug in slugs:
                for key in [*(hour_key(slug, at) for at in hours), *(now_key(slug, at) for at in minutes)]:
                    pipeline.hgetall(key)
            found = pipeline.execute()
    except redis.RedisError as error:
        logger.warning("rates cannot be read: %s", error)
        return None
    read: dict[str, ProjectRates] = {}
    for place, slug in enumerate(slugs):
        of_hours, of_minutes = found[4 * place : 4 * place + 2], found[4 * place + 2 : 4 * place + 4]
        by_minute = _placed(zip((int(at // HOUR_S) * HOUR_S for at in hours), of_hours, strict=True), MINUTE_S)
        by_step = _placed(zip((int(at // MINUTE_S) * MINUTE_S for at in minutes), of_minutes, strict=True), STEP_S)
        read[slug] = ProjectRates(_now(by_step, now_s), _minutes(by_minute, now_s))
    return read


def _placed(hashes: Iterable[tuple[int, Mapping[bytes, bytes]]], lasts_s: int) -> dict[int, dict[str, float]]:
    """Counts by when their part began, s since the epoch, of hashes that began at the given times."""
    placed: dict[int, dict[str, float]] = {}
    for begins_s, fields in hashes:
        for name_of_part, value in fields.items():
            part, _, name = name_of_part.decode().partition(":")
            placed.setdefault(begins_s + int(part) * lasts_s, {})[name] = float(value)
    return placed


def _minutes(placed: Mapping[int, Mapping[str, float]], now_s: float) -> list[Window]:
    ends_s = int((now_s - SETTLED_S) // MINUTE_S) * MINUTE_S
    return [
        Window(1000 * at_s, MINUTE_S, placed.get(at_s, {}))
        for at_s in range(ends_s - NUM_MINUTES * MINUTE_S, ends_s, MINUTE_S)
    ]


def _now(placed: Mapping[int, Mapping[str, float]], now_s: float) -> Window:
    ends_s = int((now_s - SETTLED_S) // STEP_S) * STEP_S
    begins_s = ends_s - NUM_STEPS * STEP_S
    counts: dict[str, float] = {}
    for at_s in range(begins_s, ends_s, STEP_S):
        for name, amount in placed.get(at_s, {}).items():
            counts[name] = amount if name.startswith("lag.") else counts.get(name, 0.0) + amount
    return Window(1000 * begins_s, NUM_STEPS * STEP_S, counts)
