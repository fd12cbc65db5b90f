"""Events counted from the log: each once, by type and by when they were received."""

from __future__ import annotations

import pytest

from engine.spec.canary import canary_event
from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole
from engine.streams import topics
from engine.streams.log import EventLog, Record
from webapp.accounts.models import Project
from webapp.catalog.models import Item
from webapp.catalog.services import item_put
from webapp.core.clock import wall_ms
from webapp.insights import counting
from webapp.insights.counting import counts_prune, events_count
from webapp.insights.counts_selectors import PERIODS, counts_between, events_over_time, num_waiting
from webapp.insights.models import EventCount, EventCounting

HOUR_MS = 3_600_000
NOW_MS = 1_769_860_800_000  # on the hour


def click(number: int, received_ms: int, event_type: str = "click") -> Event:
    return Event(f"e{number}", event_type, EventRole.ACTION, "ann", "tea", received_ms - 60_000, received_ms)


def write(log: EventLog, project: Project, *events: Event) -> None:
    records = [Record(event.user_id, event.to_bytes(), event.timestamp_ms) for event in events]
    log.append(topics.events(project.slug), records)


def test_it_counts_each_event_once_by_the_minute_it_was_received(project: Project, log: EventLog) -> None:
    write(log, project, click(1, NOW_MS - 1), click(2, NOW_MS), click(3, NOW_MS + 59_999), click(4, NOW_MS, "share"))
    write(log, project, canary_event("c1", "ann", NOW_MS))
    assert events_count(project=project) == 5
    assert events_count(project=project) == 0
    write(log, project, click(5, NOW_MS))
    assert events_count(project=project) == 1
    shown = events_over_time(project=project, period=PERIODS["hour"], clock_ms=lambda: NOW_MS + 30_000)
    assert shown.bins_ms[-1] == NOW_MS
    assert {name: counts[-2:] for name, counts in shown.series.items()} == {"click": [1, 3], "share": [0, 1]}
    assert list(shown.series) == ["click", "share"]
    assert counts_between(project=project, since_ms=NOW_MS, until_ms=NOW_MS + HOUR_MS) == {"click": 3, "share": 1}


def test_it_goes_on_with_what_one_turn_could_not_take(
    project: Project, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "TAKEN_AT_ONCE", 2)
    monkeypatch.setattr(counting, "MAX_TURNS", 2)
    write(log, project, *(click(number, NOW_MS) for number in range(5)))
    assert events_count(project=project) == 4
    assert EventCounting.objects.get(project=project).is_behind
    assert events_count(project=project) == 1
    assert not EventCounting.objects.get(project=project).is_behind
    assert counts_between(project=project, since_ms=NOW_MS, until_ms=NOW_MS + HOUR_MS) == {"click": 5}


def test_it_says_how_many_wait_once_they_should_have_been_counted(project: Project, log: EventLog) -> None:
    write(log, project, click(1, NOW_MS), click(2, NOW_MS))
    assert num_waiting(project=project) == 2  # nobody has counted here yet
    events_count(project=project)
    write(log, project, click(3, NOW_MS))
    assert num_waiting(project=project) == 0
    assert num_waiting(project=project, clock_ms=lambda: wall_ms() + 61_000) == 1


def test_it_passes_over_what_was_trimmed_and_what_is_no_event(project: Project, log: EventLog) -> None:
    topic = topics.events(project.slug)
    write(log, project, click(1, NOW_MS))
    events_count(project=project)
    write(log, project, click(2, NOW_MS), click(3, NOW_MS))
    log.append(topic, [Record("x", b"no event", NOW_MS)])
    log.trim(topic, 0, 2)
    assert events_count(project=project) == 2
    assert counts_between(project=project, since_ms=NOW_MS, until_ms=NOW_MS + HOUR_MS) == {"click": 2}


def test_it_marks_the_items_that_events_were_about(project: Project, log: EventLog) -> None:
    for item_id in ("tea", "jam", "salt"):
        item_put(project=project, item_id=item_id, properties={})
    shown = Event(
        "s1",
        "impression",
        EventRole.IMPRESSION,
        "ann",
        None,
        NOW_MS,
        NOW_MS,
        "r1",
        (ShownItem("jam"), ShownItem("nil")),
    )
    write(log, project, click(1, NOW_MS), shown)
    events_count(project=project)
    seen = dict(Item.objects.values_list("external_id", "seen_at"))
    assert {item_id for item_id, at in seen.items() if at is not None} == {"tea", "jam"}
    before = seen["tea"]
    write(log, project, click(2, NOW_MS + 1))
    events_count(project=project)
    assert Item.objects.get(external_id="tea").seen_at == before


def test_it_forgets_minutes_after_two_days_and_keeps_hours(project: Project, log: EventLog) -> None:
    write(log, project, click(1, NOW_MS))  # long ago by now
    events_count(project=project)
    EventCount.objects.filter(span_s=counting.HOUR_S).update(at="2999-01-01T00:00Z")
    counts_prune()
    assert list(EventCount.objects.values_list("span_s", flat=True)) == [counting.HOUR_S]


def test_it_keeps_the_counts_of_projects_apart(project: Project, other_project: Project, log: EventLog) -> None:
    write(log, project, click(1, NOW_MS))
    events_count(project=project)
    events_count(project=other_project)
    assert counts_between(project=other_project, since_ms=0, until_ms=NOW_MS + HOUR_MS) == {}
