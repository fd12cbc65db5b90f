"""Clocks and time zones of who sends events."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import quantiles
from typing import Final

from webapp.insights.evidence import DAY_MS, Evidence
from webapp.insights.found import Found
from webapp.insights.models import Insight

LEAST_EVENTS: Final = 30
LEAST_SHIFT_MS: Final = 10 * 60_000
MOST_SPREAD_MS: Final = 20 * 60_000
MOST_SHIFT_MS: Final = 26 * 3_600_000


def shifted_clocks(evidence: Evidence) -> Iterator[Found]:
    """Types whose times are all about as far from when they were received: a time zone, or a wrong clock.

    Past events that are loaded later differ by anything, and are not meant.
    """
    for name, events in evidence.of_type().items():
        lately = [event for event in events if event.received_ms >= evidence.now_ms - DAY_MS]
        if len(lately) < LEAST_EVENTS:
            continue
        low, middle, high = quantiles((event.timestamp_ms - event.received_ms for event in lately), n=4)
        if abs(middle) < LEAST_SHIFT_MS or abs(middle) > MOST_SHIFT_MS or high - low > MOST_SPREAD_MS:
            continue
        is_ahead = middle > 0
        severity = Insight.Severity.BAD if is_ahead else Insight.Severity.WARN
        values = {"type": name, "shift_s": abs(middle) / 1000, "is_ahead": is_ahead, "num_seen": len(lately)}
        yield Found("shifted_clock", name, severity, len(lately) / len(evidence.events), values)
