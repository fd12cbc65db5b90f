"""What a deployment showed and what of it was acted on, over time: by hour for days, by day for months."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Sum
from django.utils import timezone

from webapp.core.pictures.bars import TimeBars, time_bars
from webapp.core.pictures.lines import Lines, lines
from webapp.experiments.feedback_counting import SHOWN
from webapp.experiments.models import FeedbackCount
from webapp.serving.models import Deployment

SPANS: Final = {24: "24 h", 168: "7 days", 720: "30 days"}
HOUR_MS: Final = 3_600_000
DAY_FROM_HOURS: Final = 336
MAX_SOURCES: Final = 5
OTHERS: Final = "others"


def traffic_pictures(*, deployment: Deployment, hours: int) -> tuple[TimeBars, Lines] | None:
    """Items shown by source, and each action's share of them; None when nothing was shown. `hours` is one of `SPANS`."""
    since = timezone.now() - timedelta(hours=hours)
    counts = FeedbackCount.objects.filter(project=deployment.project_id, deployment=deployment.name, hour__gt=since)
    found = list(counts.values_list("hour", "source", "type").annotate(num=Sum("num")).order_by("hour"))
    if not any(event_type == SHOWN for _, _, event_type, _ in found):
        return None
    bin_ms = HOUR_MS if hours < DAY_FROM_HOURS else 24 * HOUR_MS
    at_ms = _bins(since, timezone.now(), bin_ms)
    shown: dict[str, dict[int, int]] = {}
    acted: dict[str, dict[int, int]] = {}
    for hour, source, event_type, num in found:
        into = shown.setdefault(source or "unknown", {}) if event_type == SHOWN else acted.setdefault(event_type, {})
        at = _milliseconds(hour) // bin_ms * bin_ms
        into[at] = into.get(at, 0) + num
    totals = {at: sum(nums.get(at, 0) for nums in shown.values()) for at in at_ms}
    lasts = "hour" if bin_ms == HOUR_MS else "day"
    return (
        time_bars(_stacked(shown, at_ms), at_ms, unit=f"items shown each {lasts}", title="Items shown", bin_ms=bin_ms),
        lines(
            {
                name: [100 * nums.get(at, 0) / totals[at] if totals[at] else None for at in at_ms]
                for name, nums in sorted(acted.items())
            },
            at_ms,
            unit="% of the items shown",
            title="What was acted on",
        ),
    )


def _stacked(shown: Mapping[str, Mapping[int, int]], at_ms: list[int]) -> dict[str, list[float]]:
    """The sources of most, and all others as one."""
    by_size = sorted(shown, key=lambda source: -sum(shown[source].values()))
    named, rest = by_size[:MAX_SOURCES], by_size[MAX_SOURCES:]
    series: dict[str, list[float]] = {name: [float(shown[name].get(at, 0)) for at in at_ms] for name in named}
    if rest:
        series[OTHERS] = [float(sum(shown[name].get(at, 0) for name in rest)) for at in at_ms]
    return series


def _bins(since: datetime, until: datetime, bin_ms: int) -> list[int]:
    first = (_milliseconds(since) // bin_ms + 1) * bin_ms
    return list(range(first, _milliseconds(until) + 1, bin_ms))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def hours_of(asked: Any) -> int:
    """One of `SPANS`; a day unless told."""
    return int(asked) if str(asked).isdecimal() and len(str(asked)) < 6 and int(asked) in SPANS else 24
