"""What the page of a project's events shows: counts over time as a picture, and the types in a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.spec.schema import Schema
from webapp.accounts.models import Project
from webapp.core.clock import wall_ms
from webapp.core.pictures.bars import TimeBars, time_bars
from webapp.insights.counting import HOUR_S
from webapp.insights.counts_selectors import PERIODS, EventsOverTime, counts_between, events_over_time

SERIES_SHOWN: Final = 5
OTHERS: Final = "other types"


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One event type: its role and properties by the schema of now (role empty for one it no longer declares), and its counts."""

    name: str
    role: str
    num_properties: int
    num_hour: int
    num_day: int
    num_week: int
    share: float


@dataclass(frozen=True, slots=True)
class Hub:
    over_time: EventsOverTime
    picture: TimeBars | None
    types: list[TypeRow]
    num_hour: int
    num_day: int
    num_week: int


def hub(*, project: Project, schema: Schema, period: str, clock_ms: Callable[[], int] = wall_ms) -> Hub:
    """`period` is one of `PERIODS`. Reads kept counts, never the log."""
    shown = events_over_time(project=project, period=PERIODS[period], clock_ms=clock_ms)
    hour = shown if period == "hour" else events_over_time(project=project, period=PERIODS["hour"], clock_ms=clock_ms)
    now_ms = clock_ms()
    hour_ms = 1000 * HOUR_S
    day = counts_between(project=project, since_ms=now_ms - 24 * hour_ms, until_ms=now_ms + hour_ms)
    week = counts_between(project=project, since_ms=now_ms - 7 * 24 * hour_ms, until_ms=now_ms + hour_ms)
    num_week = sum(week.values())
    names = sorted({*schema.events, *week}, key=lambda name: (-week.get(name, 0), name))
    types = [
        TypeRow(
            name,
            schema.events[name].role.value if name in schema.events else "",
            len(schema.events[name].properties) if name in schema.events else 0,
            hour.totals.get(name, 0),
            day.get(name, 0),
            week.get(name, 0),
            week.get(name, 0) / num_week if num_week else 0.0,
        )
        for name in names
    ]
    return Hub(shown, _picture(shown), types, hour.total, sum(day.values()), num_week)


def _picture(shown: EventsOverTime) -> TimeBars | None:
    if not shown.total:
        return None
    named = list(shown.series)[:SERIES_SHOWN]
    series = {name: shown.series[name] for name in named}
    if rest := list(shown.series)[SERIES_SHOWN:]:
        series[OTHERS] = [sum(shown.series[name][place] for name in rest) for place in range(len(shown.bins_ms))]
    return time_bars(
        series,
        shown.bins_ms,
        unit="events",
        title=f"Events by type, {shown.period.title.lower()}",
        bin_ms=1000 * shown.period.bin_s,
    )
