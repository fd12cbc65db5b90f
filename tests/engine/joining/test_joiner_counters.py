"""The schema's counters in examples and in the joiner's checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import CorruptRecord
from engine.features.counters import ALLOWED_SKEW_S
from engine.joining.joiner import Joiner
from engine.joining.process import JoinerProcess
from engine.joining.state import JoinerSettings
from engine.joining.state_files import load_state, read_table, save_state
from engine.spec.event import CatalogChange, Event
from engine.spec.example import Example
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog

MakeEvent = Callable[..., Event]

DOCUMENT: dict[str, Any] = {
    "items": {"genre": {"type": "string"}},
    "events": {"impression": {"role": "impression"}, "click": {}, "login": {"role": "other"}},
    "join_window_s": 10,
    "counters": {
        "clicks": {"keys": ["item.id"], "event_types": ["click"], "windows_s": [600]},
        "shows": {"keys": ["item.id"], "event_types": ["impression"], "windows_s": [600]},
        "visits": {"keys": ["user.id"], "event_types": ["login", "impression"], "windows_s": [600]},
        "tastes": {
            "keys": ["user.id", "item.genre"],
            "event_types": ["click"],
            "windows_s": [],
            "half_lives_s": [60],
        },
    },
}
SCHEMA = Schema.parse(DOCUMENT)
SETTINGS = JoinerSettings.from_schema(SCHEMA)


def feed(joiner: Joiner, *events: Event) -> list[Example]:
    return joiner.process_batch((0, offset, event) for offset, event in enumerate(events))


def counters(examples: Iterable[Example], name: str) -> list[float]:
    return [example.counters[name] for example in examples]


def test_an_example_has_not_counted_its_own_event(make_event: MakeEvent) -> None:
    clicks = [make_event(f"c{n}", "click", 1000 + n, "a", user_id=f"u{n}") for n in range(3)]
    assert counters(feed(Joiner(SETTINGS), *clicks), "clicks_10m") == [0.0, 1.0, 2.0]


def test_an_impression_nobody_logged_counters_for_is_read_before_it_is_counted(make_event: MakeEvent) -> None:
    examples = feed(
        Joiner(SETTINGS),
        make_event("i1", "impression", 1000, shown=("a", "b")),
        make_event("i2", "impression", 2000, shown=("a",), user_id="v"),
        make_event("c1", "click", 3000, "a", user_id="v"),
        make_event("end", "login", 99_999),
    )
    assert [(one.example_id, one.counters["shows_10m"]) for one in examples] == [
        ("i2:a:click", 1.0),
        ("i1:a:none", 0.0),
        ("i1:b:none", 0.0),
    ]


def test_counters_that_served_an_impression_are_copied_as_they_are(make_event: MakeEvent) -> None:
    served = {"a": {"clicks_10m": 41.0, "tastes_decayed_1m": 0.125}}
    examples = feed(
        Joiner(SETTINGS),
        make_event("i1", "impression", 1000, shown=("a", "b"), features={"counters": served}),
        make_event("c1", "click", 2000, "a"),
        make_event("end", "login", 99_999),
    )
    assert examples[0].counters == served["a"]
    # Of b nothing was logged.
    assert counters(examples[1:], "clicks_10m") == [0.0]


def test_a_list_counts_once_for_each_item_shown_and_an_event_without_item_for_its_user(make_event: MakeEvent) -> None:
    examples = feed(
        Joiner(SETTINGS),
        make_event("i1", "impression", 1000, shown=("a", "b")),
        make_event("l1", "login", 1000),
        make_event("c1", "click", 2000, "z"),
    )
    assert counters(examples, "visits_10m") == [3.0]


def test_a_repeated_event_is_counted_once(make_event: MakeEvent) -> None:
    first = make_event("c1", "click", 1000, "a")
    assert counters(feed(Joiner(SETTINGS), first, first, make_event("c2", "click", 1001, "a")), "clicks_10m") == [0, 1]


def test_keys_of_properties_follow_the_catalogue(make_event: MakeEvent) -> None:
    joiner = Joiner(SETTINGS)
    joiner.apply_catalog(CatalogChange("item", "a", {"genre": "jazz"}))
    joiner.apply_catalog(CatalogChange("item", "b", {"genre": "jazz"}))
    examples = feed(joiner, make_event("c1", "click", 1000, "a"), make_event("c2", "click", 61_000, "b"))
    examples += feed(joiner, make_event("c3", "click", 61_000, "unknown"))
    assert counters(examples, "tastes_decayed_1m") == [0.0, 0.5, 0.0]


def test_an_event_of_a_producer_whose_clock_runs_ahead_is_joined_and_not_counted(
    make_event: MakeEvent, tmp_path: Path
) -> None:
    log, now_s = MemoryLog(), 1000.0
    process = JoinerProcess(log, "shop", SCHEMA, tmp_path, lambda: now_s)
    ahead_ms = int((now_s + ALLOWED_SKEW_S) * 1000) + 1
    send(log, make_event("c1", "click", 1_000_000, "a"), make_event("c2", "click", ahead_ms, "a"))
    send(log, make_event("c3", "click", 1_000_001, "a"))
    process.poll()
    examples = emitted(log)
    assert [one.example_id for one in examples] == ["c1", "c2", "c3"]
    assert examples[2].counters["clicks_10m"] == 1.0
    assert process.counters.num_dated_ahead == 1


def test_a_state_of_the_first_format_is_read_and_its_counters_start_empty(
    make_event: MakeEvent, tmp_path: Path
) -> None:
    joiner = Joiner(SETTINGS)
    feed(joiner, make_event("c1", "click", 1000, "a"), make_event("i1", "impression", 1000, shown=("a",)))
    meta = save_state(joiner.state, tmp_path)
    for path in tmp_path.glob("counters-*.arrow"):
        path.unlink()
    shown = read_table(tmp_path / "shown.arrow").drop_columns(["counters"])
    with pa.OSFile(str(tmp_path / "shown.arrow"), "wb") as sink, pa.ipc.new_file(sink, shown.schema) as writer:
        writer.write_table(shown)
    del meta["format"], meta["counters"]["num_dated_ahead"]
    restored = Joiner(SETTINGS, load_state(tmp_path, meta, SETTINGS))
    examples = feed(restored, make_event("c2", "click", 2000, "a"), make_event("c3", "click", 2001, "z"))
    assert examples[0].counters == {}
    assert counters(examples[1:], "clicks_10m") == [0.0]


def test_a_state_of_the_second_format_goes_on_where_it_was(make_event: MakeEvent, tmp_path: Path) -> None:
    """It has neither numbers nor labels nor ended windows, and no early actions."""
    joiner = Joiner(SETTINGS)
    feed(joiner, make_event("i1", "impression", 1000, shown=("a", "b")), make_event("c1", "click", 1001, "a"))
    meta = save_state(joiner.state, tmp_path)
    (tmp_path / "early.arrow").unlink()
    for name, added in (("shown", ["labels", "negatives"]), ("impressions", ["number", "waits", "ended_ms"])):
        table = read_table(tmp_path / f"{name}.arrow").drop_columns(added)
        with pa.OSFile(str(tmp_path / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    for name in ("num_late", "num_corrections", "num_early", "num_early_joined"):
        del meta["counters"][name]
    meta = {name: value for name, value in meta.items() if name != "next_number"} | {"format": 2}
    restored = Joiner(SETTINGS, load_state(tmp_path, meta, SETTINGS))
    again, end = make_event("c2", "click", 1002, "a"), make_event("c3", "click", 99_999_999, "z")
    assert [one.example_id for one in feed(restored, again, end)] == [
        one.example_id for one in feed(joiner, again, end)
    ]
    assert restored.state.counters == joiner.state.counters


def test_a_state_of_a_later_format_is_refused(tmp_path: Path) -> None:
    meta = save_state(Joiner(SETTINGS).state, tmp_path)
    with pytest.raises(CorruptRecord, match="format must be 1 to 3, received 4"):
        load_state(tmp_path, meta | {"format": 4}, SETTINGS)


def test_counters_survive_a_restart_and_a_new_schema_keeps_those_it_still_has(
    make_event: MakeEvent, tmp_path: Path
) -> None:
    log = MemoryLog()
    process = JoinerProcess(log, "shop", SCHEMA, tmp_path, lambda: 0.0)
    send(log, make_event("c1", "click", 1000, "a"), make_event("i1", "impression", 1000, shown=("a",)))
    process.poll()
    process.checkpoint()
    changed = {
        **DOCUMENT["counters"],
        "clicks": {"keys": ["item.id"], "event_types": ["click"], "windows_s": [600, 60]},
    }
    del changed["visits"]
    process = JoinerProcess(log, "shop", Schema.parse({**DOCUMENT, "counters": changed}), tmp_path, lambda: 0.0)
    send(log, make_event("c2", "click", 2000, "a", user_id="v"))
    process.poll()
    assert emitted(log)[-1].counters == {
        "clicks_10m": 1.0,
        "clicks_1m": 0.0,
        "shows_10m": 1.0,
        "tastes_decayed_1m": 0.0,
    }


def send(log: MemoryLog, *events: Event) -> None:
    log.append(topics.events("shop"), [Record(event.user_id, event.to_bytes(), event.received_ms) for event in events])


def emitted(log: MemoryLog) -> list[Example]:
    return [Example.from_bytes(record.value) for record in log.read(topics.examples("shop"), 0, 0, 10_000)]
