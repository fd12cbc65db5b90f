"""When a value is an alert, and when it is over: by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from webapp.alerts.judging import Change, Limits, Standing, judge

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
LIMITS = Limits(threshold=10, for_s=30, calm_for_s=60)


def told(values: Sequence[tuple[int, float | None]], limits: Limits = LIMITS) -> list[tuple[int, Change]]:
    """Changes by second, for values at seconds."""
    standing: Standing | None = None
    changes = []
    for second, value in values:
        standing, change = judge(standing, value, limits, START + timedelta(seconds=second))
        if change is not None:
            changes.append((second, change))
    return changes


def test_it_fires_once_above_the_threshold_for_long_enough() -> None:
    assert told([(0, 11), (15, 12), (29, 50), (30, 11), (45, 11)]) == [(30, Change.FIRED)]


def test_it_does_not_fire_for_a_peak_that_passes() -> None:
    assert told([(0, 11), (15, 10), (30, 11), (45, 11)]) == []


def test_it_does_not_end_between_the_threshold_and_nine_tenths_of_it() -> None:
    fired = [(0, 11), (30, 11)]
    assert told([*fired, *[(30 + 15 * turn, 9.5) for turn in range(1, 20)]]) == [(30, Change.FIRED)]


def test_it_ends_after_a_whole_minute_of_calm() -> None:
    values = [(0, 11), (30, 11), (45, 9), (90, 9.5), (105, 9), (164, 1), (165, 1)]
    assert told(values) == [(30, Change.FIRED), (165, Change.RESOLVED)]


def test_it_ends_when_there_is_nothing_to_measure_any_more() -> None:
    assert told([(0, 11), (30, 11), (45, None), (105, None)]) == [(30, Change.FIRED), (105, Change.RESOLVED)]


def test_it_fires_at_once_without_a_time() -> None:
    at_once = Limits(threshold=0, for_s=0, calm_for_s=60)
    assert told([(0, 1), (15, None), (75, None)], at_once) == [(0, Change.FIRED), (75, Change.RESOLVED)]


def test_it_forgets_a_pending_one_that_is_gone() -> None:
    assert judge(Standing(START), None, LIMITS, START) == (None, None)
