"""A replica knows of events that others wrote to the topic what the joiner knows of them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from engine.serving.project_state import ProjectState
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog

NOW_MS = 1_790_000_000_000
NARROW = Schema.parse({"events": {"impression": {"role": "impression"}, "click": {}}})
WIDER = Schema.parse({"events": {"impression": {"role": "impression"}, "click": {}, "share": {}}})


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    for topic in (topics.events("shop"), topics.catalog("shop")):
        log.create_topic(topic)
    return log


@pytest.fixture
def state(log: MemoryLog) -> ProjectState:
    state = ProjectState(log, "shop", joiner_directory=None, clock=lambda: NOW_MS / 1000)
    state.judge_by(NARROW)
    state.keep_history(5)
    return state


def produce(log: MemoryLog, event_id: str, item_id: str, event_type: str = "click", **more: Any) -> None:
    row = {"event_id": event_id, "type": event_type, "user_id": "u", "item_id": item_id, **more}
    log.append(topics.events("shop"), [Record("u", orjson.dumps(row), NOW_MS)])


def seen(state: ProjectState) -> list[str]:
    state.poll_events()
    return list(state.history("u", 5).item_ids)


def test_histories_have_them_and_not_what_the_schema_refuses(log: MemoryLog, state: ProjectState) -> None:
    produce(log, "e1", "tea")
    produce(log, "e2", "jam", colour="red")
    produce(log, "e3", "bun")
    assert sorted(seen(state)) == ["bun", "tea"]
    assert state.num_corrupt == 1


def test_a_repeat_is_passed_over_and_reading_again_is_no_repeat(log: MemoryLog, state: ProjectState) -> None:
    produce(log, "e1", "tea")
    produce(log, "e1", "jam")
    assert seen(state) == ["tea"]
    state.keep_history(6)
    assert seen(state) == ["tea"]


def test_a_new_schema_counts_from_the_next_event_on(log: MemoryLog, state: ProjectState) -> None:
    produce(log, "s1", "tea", "share")
    assert seen(state) == []
    state.judge_by(WIDER)
    produce(log, "s2", "jam", "share")
    assert seen(state) == ["jam"]
