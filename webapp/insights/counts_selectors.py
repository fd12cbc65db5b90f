"""Events over time: counts by type for the last hour, day or week, each span as so many bins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db.models import Sum

from engine.errors import LogError
from engine.streams import topics
from webapp.accounts.models import Project
from webapp.core.clock import wall_ms
from webapp.core.log import event_log
from webapp.insights.counting import HOUR_S, MINUTE_S
from webapp.insights.models import EventCount, EventCounting

PATIENCE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Period:
    """`num_bins` bins of `bin_s` seconds each, summed from the counts of `span_s` seconds."""

    name: str
    title: str
    bin_s: int
    num_bins: int
    span_s: int

    @property
    def length_s(self) -> int:
        return self.bin_s * self.num_bins


PERIODS: Final = {
    period.name: period
    for period in (
        Period("hour", "Last hour", 60, 60, MINUTE_S),
        Period("day", "Last day", 1800, 48, MINUTE_S),
        Period("week", "Last week", 3 * HOUR_S, 56, HOUR_S),
    )
}


@dataclass(frozen=True, slots=True)
class EventsOverTime:
    """`bins_ms` is when each bin begins, the last of which is not over yet; `series` has a count for each bin, by type, the most
    frequent type first. `num_waiting` records of the log have not been counted though there was time to."""

    period: Period
    bins_ms: list[int]
    series: dict[str, list[int]]
    num_waiting: int = 0

    @property
    def totals(self) -> dict[str, int]:
        return {name: sum(counts) for name, counts in self.series.items()}

    @property
    def total(self) -> int:
        return sum(self.totals.values())


def events_over_time(*, project: Project, period: Period, clock_ms: Callable[[], int] = wall_ms) -> EventsOverTime:
    """From the kept counts alone: never more than a few thousand rows, however many events there are."""
    bin_ms = 1000 * period.bin_s
    last_ms = clock_ms() // bin_ms * bin_ms
    bins_ms = [last_ms - bin_ms * ago for ago in range(period.num_bins - 1, -1, -1)]
    rows = EventCount.objects.filter(
        project=project, span_s=period.span_s, at__gte=datetime.fromtimestamp(bins_ms[0] / 1000, tz=UTC)
    )
    series: defaultdict[str, list[int]] = defaultdict(lambda: [0] * period.num_bins)
    for at, event_type, num in rows.values_list("at", "type", "num").iterator():
        place = (int(at.timestamp() * 1000) - bins_ms[0]) // bin_ms
        if place < period.num_bins:
            series[event_type][place] += num
    ordered = dict(sorted(series.items(), key=lambda each: (-sum(each[1]), each[0])))
    return EventsOverTime(period, bins_ms, ordered, num_waiting(project=project, clock_ms=clock_ms))


def num_waiting(*, project: Project, clock_ms: Callable[[], int] = wall_ms) -> int:
    """Records that the job has not counted for longer than it should take; 0 while it keeps up."""
    counting = EventCounting.objects.filter(project=project).first()
    if (
        counting is not None
        and not counting.is_behind
        and clock_ms() - counting.updated_at.timestamp() * 1000 < PATIENCE_MS
    ):
        return 0
    log, topic = event_log(), topics.events(project.slug)
    try:
        ends, earliest = log.end_offsets(topic), log.earliest_offsets(topic)
    except LogError:  # the page is whole without it
        return 0
    counted = {} if counting is None else counting.next_offsets
    return sum(max(0, end - max(earliest[one], int(counted.get(str(one), 0)))) for one, end in ends.items())


def counts_between(*, project: Project, since_ms: int, until_ms: int) -> dict[str, int]:
    """Events by type received in whole hours from `since_ms` (inclusive) to `until_ms` (exclusive)."""
    rows = EventCount.objects.filter(
        project=project,
        span_s=HOUR_S,
        at__gte=datetime.fromtimestamp(since_ms / 1000, tz=UTC),
        at__lt=datetime.fromtimestamp(until_ms / 1000, tz=UTC),
    )
    return dict(rows.values_list("type").annotate(num=Sum("num")).order_by("type"))
