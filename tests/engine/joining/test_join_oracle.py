"""Counters that know nothing of their own event, batches of any size, and an order that survives kills and restarts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.joining import joiner as joiner_module
from engine.joining.joiner import Joiner
from engine.joining.process import JoinerProcess
from engine.joining.state import JoinerSettings
from engine.spec.event import Event, ShownItem
from engine.spec.example import Example
from engine.spec.schema import EventRole, Schema
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog

WINDOW_MS = 20
COUNTER_WINDOW_MS = 1000
SCHEMA = Schema.parse(
    {
        "events": {"impression": {"role": "impression"}, "click": {}, "buy": {}},
        "join_window_s": WINDOW_MS / 1000,
        "joining": {"early_wait_s": 0},
        "counters": {
            "acts": {"keys": ["item.id"], "event_types": ["click", "buy"], "windows_s": [COUNTER_WINDOW_MS // 1000]},
            "seen": {
                "keys": ["user.id", "item.id"],
                "event_types": ["impression"],
                "windows_s": [COUNTER_WINDOW_MS // 1000],
                "half_lives_s": [60],
            },
        },
    }
)
SETTINGS = JoinerSettings.from_schema(SCHEMA)
FAR_MS = 10_000


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Events of few users, items and recommendations, mostly in order of time, some late, some repeated."""
    events: list[Event] = []
    now_ms = 100
    for number in range(draw(st.integers(0, 25))):
        now_ms += draw(st.integers(0, 9))
        time_ms = now_ms - draw(st.sampled_from([0, 0, 0, 3, 30]))
        event_type = draw(st.sampled_from(["impression", "impression", "click", "click", "buy"]))
        role = SCHEMA.events[event_type].role
        items = draw(st.lists(st.sampled_from("ab"), min_size=1, max_size=2, unique=True))
        repeated = bool(events) and draw(st.integers(0, 9)) == 0
        events.append(
            Event(
                events[-1].event_id if repeated else f"e{number}",
                event_type,
                role,
                draw(st.sampled_from("uv")),
                items[0] if role is EventRole.ACTION else None,
                time_ms,
                now_ms,
                recommendation_id=draw(st.sampled_from([None, None, "r1", "r2"])),
                items=() if role is EventRole.ACTION else tuple(map(ShownItem, items)),
            )
        )
    end = Event("end", "buy", EventRole.ACTION, "nobody", "nothing", FAR_MS, FAR_MS)
    return [*events, end]


def counts_before(kept: list[Event], example: Example, place: int) -> dict[str, float]:
    """What of the events before the one at `place` lies in the windows that end with it, bucket by bucket of 50 ms."""

    def times(types: set[str], user_id: str | None) -> list[int]:
        return [
            min(event.timestamp_ms, event.received_ms)
            for event in kept[:place]
            if event.type in types and example.item_id in event.item_ids and user_id in (None, event.user_id)
        ]

    def in_window(all_ms: list[int]) -> float:
        now = kept[place].timestamp_ms // 50
        end = max([now, *(time // 50 for time in all_ms)])
        return float(sum(end - 20 < time // 50 <= now for time in all_ms))

    acts, seen = times({"click", "buy"}, None), times({"impression"}, example.user_id)
    end_ms = max([kept[place].timestamp_ms, *seen])
    decayed = sum(0.5 ** ((end_ms - time) / 60_000) for time in seen)
    return {"acts_1s": in_window(acts), "seen_1s": in_window(seen), "seen_decayed_1m": round(decayed, 4)}


@settings(max_examples=200, deadline=None)
@given(streams())
def test_an_example_has_counted_what_was_before_the_event_that_began_it_and_never_itself(events: list[Event]) -> None:
    joiner = Joiner(SETTINGS)
    examples = joiner.process_batch((0, offset, event) for offset, event in enumerate(events))
    kept = list({event.event_id: event for event in reversed(events)}.values())[::-1]
    place_of = {event.event_id: place for place, event in enumerate(kept)}
    for example in examples:
        began = example.example_id.split(":")[0]
        assert example.counters == pytest.approx(counts_before(kept, example, place_of[began]), abs=2e-4)


@settings(max_examples=100, deadline=None)
@given(streams(), st.integers(1, 8), st.integers(1, 5))
def test_a_batch_gives_the_examples_of_its_events_one_by_one(events: list[Event], size: int, settled_at: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joiner_module, "_SETTLED_AT", settled_at)
        check_batches(events, size)


def check_batches(events: list[Event], size: int) -> None:
    alone, batched = Joiner(SETTINGS), Joiner(SETTINGS)
    places = [(0, offset, event) for offset, event in enumerate(events)]
    one_by_one = [example for place in places for example in alone.process(*place)]
    in_batches = [
        example
        for start in range(0, len(places), size)
        for example in batched.process_batch(places[start : start + size])
    ]
    assert in_batches == one_by_one


class KilledError(Exception):
    """The process ends here."""


class KillingLog(MemoryLog):
    """Ends its user before or after a chosen append to the examples, as kill -9 would."""

    def __init__(self) -> None:
        super().__init__()
        self.kill: Callable[[str], bool] = lambda moment: False

    def append(self, topic: str, records: Any) -> Any:
        if not topic.endswith(".examples"):
            return super().append(topic, records)
        if self.kill("before"):
            raise KilledError
        positions = super().append(topic, records)
        if self.kill("after"):
            raise KilledError
        return positions


def emitted(log: MemoryLog) -> list[Example]:
    records = log.read(topics.examples("p"), 0, 0, max_records=10_000)
    return [Example.from_bytes(record.value) for record in records]


def new_process(log: MemoryLog, directory: Path) -> JoinerProcess:
    return JoinerProcess(log, "p", SCHEMA, directory, lambda: 0.0)


@settings(max_examples=100, deadline=None)
@given(streams(), st.data())
def test_a_process_killed_anywhere_emits_the_same_examples_once(events: list[Event], data: st.DataObject) -> None:
    reference = Joiner(SETTINGS)
    unkilled = [example for offset, event in enumerate(events) for example in reference.process(0, offset, event)]
    log = KillingLog()
    log.create_topic(topics.events("p"))
    with tempfile.TemporaryDirectory() as directory:
        process = new_process(log, Path(directory))
        left = list(events)
        num_steps = 0
        while left or num_steps == 0:
            num_steps += 1
            size = data.draw(st.integers(1, 6))
            step, left = left[:size], left[size:]
            log.append(topics.events("p"), [Record(e.user_id, e.to_bytes(), e.received_ms) for e in step])
            moment = data.draw(st.sampled_from(["never", "never", "before", "after", "between polls"]))
            log.kill = lambda now, moment=moment: now == moment  # type: ignore[misc]
            try:
                process.poll()
            except KilledError:
                moment = "between polls"
            log.kill = lambda now: False
            if moment == "between polls":
                process = new_process(log, Path(directory))
            elif data.draw(st.booleans()):
                process.checkpoint()
        process.poll()
    assert emitted(log) == unkilled


@settings(max_examples=50, deadline=None)
@given(streams(), st.integers(0, 30))
def test_a_state_saved_and_loaded_goes_on_as_if_nothing_had_been(events: list[Event], cut: int) -> None:
    log = MemoryLog()
    reference = Joiner(SETTINGS)
    unkilled = [example for offset, event in enumerate(events) for example in reference.process(0, offset, event)]
    with tempfile.TemporaryDirectory() as directory:
        for part in (events[:cut], events[cut:]):
            process = new_process(log, Path(directory))
            log.append(topics.events("p"), [Record(e.user_id, e.to_bytes(), e.received_ms) for e in part])
            process.poll()
            process.checkpoint()
        assert process.num_suppressed == 0
        assert process.counters == reference.state.counters
    assert emitted(log) == unkilled
