"""A canary goes through the joiner in its turn and leaves no trace there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.joining.joiner import Joiner
from engine.joining.process import CONSUMER_GROUP, IDLE_CHECKPOINT_EVERY_S, JoinerProcess
from engine.joining.state import JoinerSettings
from engine.joining.state_files import state_meta
from engine.spec.canary import canary_event
from engine.spec.event import Event
from engine.spec.example import Cause, Example, Origin
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog

MakeEvent = Callable[..., Event]
EVENTS, EXAMPLES = topics.events("shop"), topics.examples("shop")
LONG_AFTER_MS = 10_000_000


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def send(log: MemoryLog, *events: Event) -> None:
    log.append(EVENTS, [Record(event.user_id, event.to_bytes(), event.received_ms) for event in events])


def emitted(log: MemoryLog) -> list[Example]:
    return [Example.from_bytes(record.value) for record in log.read(EXAMPLES, 0, 0)]


def test_a_canary_is_passed_on_behind_what_came_before_it(joiner: Joiner, make_event: MakeEvent) -> None:
    click, canary = make_event("c1", "click", 5, "a"), canary_event("k1", "freshet.canary.0", 7)
    first, second = joiner.process_batch([(2, 30, click), (2, 31, canary)])
    assert (first.example_id, second.example_id) == ("c1", "k1")
    assert (second.origin, second.labels, second.weight) == (Origin.CANARY, {}, 0.0)
    assert second.cause == Cause(2, 31, 7)
    assert Example.from_bytes(second.to_bytes()) == second


@pytest.mark.parametrize("at_ms", [7, LONG_AFTER_MS])
def test_a_canary_changes_nothing_that_the_joiner_knows(
    settings: JoinerSettings, make_event: MakeEvent, at_ms: int
) -> None:
    """Event time neither: the impression of an import of old events still waits for its click."""
    events = [
        make_event("i1", "impression", 5, shown=("a", "b"), recommendation_id="r"),
        make_event("c1", "click", 9, "a", recommendation_id="r"),
    ]
    plain, crossed = Joiner(settings), Joiner(settings)
    expected = plain.process_batch([(0, 0, events[0]), (0, 2, events[1])])
    canary = canary_event("k1", "freshet.canary.0", at_ms)
    got = crossed.process_batch([(0, 0, events[0]), (0, 1, canary), (0, 2, events[1])])
    assert [one for one in got if one.origin is not Origin.CANARY] == expected
    assert [one.labels for one in expected] == [{"click": 1.0}]
    assert json.dumps(state_meta(crossed.state)) == json.dumps(state_meta(plain.state))
    assert crossed.state.counters.num_events == 2


def test_a_restart_does_not_pass_a_canary_on_twice(schema: Schema, make_event: MakeEvent, tmp_path: Path) -> None:
    log, clock = MemoryLog(), Clock()
    process = JoinerProcess(log, "shop", schema, tmp_path, clock)
    send(log, make_event("c1", "click", 5, "a"), canary_event("k1", "k", 7), make_event("c2", "click", 9, "a"))
    process.poll()
    again = JoinerProcess(log, "shop", schema, tmp_path, clock)
    again.poll()
    assert [one.example_id for one in emitted(log)] == ["c1", "k1", "c2"]
    assert again.num_suppressed == 3


def test_canaries_alone_are_worth_a_checkpoint_a_minute(schema: Schema, tmp_path: Path) -> None:
    log, clock = MemoryLog(), Clock()
    process = JoinerProcess(log, "shop", schema, tmp_path, clock, checkpoint_every_s=5.0)
    for number in range(11):
        clock.now_s = 5.0 * number
        send(log, canary_event(f"k{number}", "k", int(clock.now_s * 1000)))
        process.poll()
    assert not log.committed(CONSUMER_GROUP, EVENTS)
    clock.now_s = IDLE_CHECKPOINT_EVERY_S
    process.poll()
    assert log.committed(CONSUMER_GROUP, EVENTS) == {0: 11}
    clock.now_s = 10 * IDLE_CHECKPOINT_EVERY_S
    folders = sorted(tmp_path.iterdir())
    process.poll()
    assert sorted(tmp_path.iterdir()) == folders
