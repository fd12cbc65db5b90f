from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import CorruptRecord, Interrupted, LogError
from engine.joining.joiner import Joiner
from engine.joining.state import JoinerSettings
from engine.spec.event import CatalogChange, Event
from engine.spec.example import Cause, Example
from engine.spec.schema import EventRole, Schema
from engine.streams.log import Record
from engine.training.example_records import META, PLACES, ExampleRecords, RecordWriter
from engine.training.joined_events import join_events
from tests.engine.training.made import make_examples

SCHEMA = Schema.parse(
    {
        "items": {"topic": {"type": "string"}},
        "events": {"impression": {"role": "impression"}, "click": {"role": "action"}},
        "join_window_s": 60,
        "counters": {"clicks": {"keys": ["item.id"], "event_types": ["click"], "windows_s": [600]}},
        "num_drawn_negatives": 0,
    }
)


def event(number: int, kind: str, user: str, item: str, time_s: int, **more: Any) -> Event:
    role = EventRole.IMPRESSION if kind == "impression" else EventRole.ACTION
    return Event(f"e{number}", kind, role, user, item, time_s * 1000, 10**12, **more)


EVENTS = [
    event(0, "impression", "u", "a", 100),
    event(1, "click", "u", "a", 110),
    event(2, "impression", "u", "b", 120),
    event(3, "impression", "v", "a", 150),
    event(4, "click", "v", "a", 400),
]
CHANGES = [CatalogChange("item", "a", {"topic": "sport"})]


def joined(folder: Path, events: list[Event] = EVENTS, **more: Any) -> list[Example]:
    batches = [events[:3], events[3:]]
    num = join_events(batches, CHANGES, SCHEMA, folder, lambda: {"fingerprint": "f"}, **more)
    records = ExampleRecords(folder)
    assert records.num_rows == num
    return [Example.from_bytes(record.value) for record in records.read("any", 0, 0, 100)]


def test_examples_are_what_the_joiner_would_have_made_when_the_events_came(tmp_path: Path) -> None:
    joiner = Joiner(JoinerSettings.from_schema(SCHEMA))
    joiner.apply_catalog(CHANGES[0])
    expected = [
        example
        for place, one in enumerate(EVENTS)
        for example in joiner.process(0, place, replace(one, received_ms=one.timestamp_ms))
    ]
    expected += joiner.advance(10**9)
    examples = joined(tmp_path)
    assert examples == [replace(example, cause=Cause(0, 0, 0)) for example in expected]
    told = [(each.user_id, each.item_id, each.labels["click"], each.item.get("topic")) for each in examples]
    # the click after its window is an action of its own; what was not clicked says so when its window ends
    assert sorted(told) == [
        ("u", "a", 1.0, "sport"),
        ("u", "b", 0.0, None),
        ("v", "a", 0.0, "sport"),
        ("v", "a", 1.0, "sport"),
    ]


def test_features_never_see_their_own_future(tmp_path: Path) -> None:
    by_id = {(each.user_id, each.item_id, each.labels["click"]): each for each in joined(tmp_path)}
    assert by_id["u", "a", 1.0].counters == {"clicks_10m": 0.0} and by_id["u", "a", 1.0].history == ()
    assert by_id["u", "b", 0.0].history == ("a",)
    assert by_id["v", "a", 0.0].counters == {"clicks_10m": 1.0}


def test_windows_end_with_the_file(tmp_path: Path) -> None:
    (only,) = joined(tmp_path, EVENTS[:1])
    assert only.labels == {"click": 0.0}


def test_it_tells_how_far_it_is_and_stops_when_asked(tmp_path: Path) -> None:
    told: list[int] = []
    joined(tmp_path, on_events=told.append)
    assert told == [3, 5]
    with pytest.raises(Interrupted):
        joined(tmp_path, should_stop=lambda: True)
    with pytest.raises(CorruptRecord, match="no joined examples"):
        ExampleRecords(tmp_path)


def written(folder: Path, examples: list[Example]) -> ExampleRecords:
    writer = RecordWriter(folder)
    for start in range(0, len(examples), 7):
        writer.write(examples[start : start + 7])
    writer.finish({"own": 1})
    return ExampleRecords(folder)


@pytest.mark.parametrize(("offset", "num"), [(0, 50), (0, 1), (6, 3), (49, 5), (50, 5)])
def test_any_part_can_be_read(tmp_path: Path, offset: int, num: int) -> None:
    made = make_examples(50)
    records = written(tmp_path, made)
    read = records.read("any", 0, offset, num)
    assert [Example.from_bytes(record.value) for record in read] == made[offset : offset + num]
    assert [record.offset for record in read] == list(range(offset, min(50, offset + num)))
    assert (records.meta["own"], records.end_offsets("any")) == (1, {0: 50})
    assert [records.offset_at("any", 0, time_ms) for time_ms in (0, 7_000, 7_001, 10**9)] == [0, 7, 8, 50]


def test_nothing_is_a_folder_too_and_nothing_can_be_added(tmp_path: Path) -> None:
    records = written(tmp_path, [])
    assert (records.num_rows, records.read("any", 0, 0)) == (0, [])
    with pytest.raises(LogError, match="only read"):
        records.append("any", [Record("", b"", 0)])


def test_what_was_cut_off_is_no_folder(tmp_path: Path) -> None:
    written(tmp_path, make_examples(9))
    data = (tmp_path / PLACES).read_bytes()
    (tmp_path / PLACES).write_bytes(data[:-16])
    with pytest.raises(CorruptRecord, match="not as long"):
        ExampleRecords(tmp_path)
    (tmp_path / META).write_bytes(b"{")
    with pytest.raises(CorruptRecord):
        ExampleRecords(tmp_path)
