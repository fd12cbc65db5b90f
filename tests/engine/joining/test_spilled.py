"""Impressions that memory has no room for: found, ended and restored from the disk as from memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import CorruptRecord
from engine.joining.joiner import Joiner
from engine.joining.process import JoinerProcess
from engine.joining.spilled import SpilledImpressions
from engine.joining.state import JoinerSettings, JoinerState
from engine.joining.state_files import load_state, save_state
from engine.spec.event import Event
from engine.spec.example import Example
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog

MakeEvent = Callable[..., Event]


@pytest.fixture
def tight(settings: JoinerSettings) -> JoinerSettings:
    """Room for some five impressions in memory."""
    return replace(settings, max_pending_bytes=12_000)


def joiner_in(folder: Path, settings: JoinerSettings) -> Joiner:
    return Joiner(settings, JoinerState(settings, SpilledImpressions(folder, settings.stages())))


def impressions(make_event: MakeEvent, num: int, **fields: Any) -> list[Event]:
    return [
        make_event(f"i{n}", "impression", n, shown=("a", "b"), user_id=f"u{n}", recommendation_id=f"r{n}", **fields)
        for n in range(num)
    ]


def feed(joiner: Joiner, *events: Event) -> list[Example]:
    return [example for offset, event in enumerate(events) for example in joiner.process(0, offset, event)]


def waiting(joiner: Joiner) -> tuple[int, int]:
    """How many impressions wait in memory, and on the disk."""
    spilled = joiner.state.pending.spilled
    return len(joiner.state.pending.in_memory()), spilled.num_impressions if spilled is not None else 0


def test_the_oldest_go_to_the_disk_and_all_are_found_and_ended_there(
    tight: JoinerSettings, make_event: MakeEvent, tmp_path: Path
) -> None:
    joiner = joiner_in(tmp_path / "spilled", tight)
    feed(joiner, *impressions(make_event, 50, features={"user": {"age": 3}, "history": ["x"]}))
    in_memory, on_disk = waiting(joiner)
    assert in_memory + on_disk == 50
    assert in_memory < 8
    assert joiner.state.pending.num_bytes <= tight.max_pending_bytes
    assert len(joiner.state.pending) == 100
    by_recommendation = make_event("c1", "click", 100, "a", user_id="u3", recommendation_id="r3")
    by_user = make_event("c2", "click", 101, "b", user_id="u4")
    unknown = make_event("c3", "click", 102, "b", user_id="nobody")
    examples = feed(joiner, by_recommendation, by_user, unknown)
    assert [(one.example_id, one.user, one.history) for one in examples] == [
        ("i3:a:click", {"age": 3}, ("x",)),
        ("i4:b:click", {"age": 3}, ("x",)),
        ("c3", {}, ()),
    ]
    ended = feed(joiner, make_event("l1", "login", 99_999))
    expected = [f"i{n}:{item}:none" for n in range(50) for item in "ab"]
    expected[6], expected[9] = "i3:a:rest", "i4:b:rest"
    assert [one.example_id for one in ended] == expected
    assert waiting(joiner) == (0, 0)
    joiner.state.pending.spilled.close()  # type: ignore[union-attr]


def test_of_a_users_impressions_the_newest_is_found_wherever_it_waits(
    tight: JoinerSettings, make_event: MakeEvent, tmp_path: Path
) -> None:
    joiner = joiner_in(tmp_path / "spilled", replace(tight, max_pending_bytes=0))
    feed(joiner, make_event("i1", "impression", 5, "a"), make_event("i2", "impression", -3, "a"))
    assert waiting(joiner) == (0, 2)
    assert [one.example_id for one in feed(joiner, make_event("c1", "click", 7, "a"))] == ["i1:a:click"]


def test_one_recommendation_shows_an_item_once_even_when_it_is_on_the_disk(
    tight: JoinerSettings, make_event: MakeEvent, tmp_path: Path
) -> None:
    joiner = joiner_in(tmp_path / "spilled", replace(tight, max_pending_bytes=0))
    feed(joiner, make_event("i1", "impression", 0, shown=("a", "b"), recommendation_id="r1"))
    feed(joiner, make_event("i2", "impression", 1, shown=("b", "c"), recommendation_id="r1"))
    assert len(joiner.state.pending) == 3
    assert joiner.state.counters.num_duplicates == 1


def test_the_bytes_in_memory_are_about_those_that_are_taken(settings: JoinerSettings, make_event: MakeEvent) -> None:
    features = {
        "user": {"age": 30, "country": "se", "tags": ["a", "b", "c"]},
        "history": [f"item-{n}" for n in range(20)],
        "items": {item: {"price": 1.5, "genre": "jazz"} for item in ("a", "b")},
    }
    events = [Event.from_bytes(one.to_bytes()) for one in impressions(make_event, 2_000, features=features)]
    tracemalloc.start()
    joiner = Joiner(settings)
    raw = [event.to_bytes() for event in events]
    del events
    before, _ = tracemalloc.get_traced_memory()
    for offset, data in enumerate(raw):
        joiner.process(0, offset, Event.from_bytes(data))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.6 < joiner.state.pending.num_bytes / (after - before) < 1.7


def loaded(folder: Path, meta: dict[str, Any], spilled: Path, settings: JoinerSettings) -> Joiner:
    return Joiner(settings, load_state(folder, meta, settings, SpilledImpressions(spilled, settings.stages())))


def saved(joiner: Joiner, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    return save_state(joiner.state, folder)


def test_a_checkpoint_holds_what_is_on_the_disk_as_it_was_then(
    tight: JoinerSettings, make_event: MakeEvent, tmp_path: Path
) -> None:
    joiner = joiner_in(tmp_path / "live", tight)
    feed(joiner, *impressions(make_event, 30))
    meta = saved(joiner, tmp_path / "saved")
    click = make_event("c1", "click", 100, "a", user_id="u2", recommendation_id="r2")
    end = make_event("l1", "login", 99_999)
    # What each does afterwards reaches neither the checkpoint nor those that begin with it later.
    for name in ("one", "two"):
        restored = loaded(tmp_path / "saved", meta, tmp_path / name, tight)
        assert [one.example_id for one in feed(restored, click)] == ["i2:a:click"]
        assert len(feed(restored, end)) == 60
        assert len(restored.state.pending) == 0
    assert len(feed(joiner, click, end)) == 61


def test_other_windows_move_every_deadline(tight: JoinerSettings, make_event: MakeEvent, tmp_path: Path) -> None:
    joiner = joiner_in(tmp_path / "live", tight)
    feed(joiner, *impressions(make_event, 30))
    longer = replace(tight, window_ms=50_000)
    meta = saved(joiner, tmp_path / "saved")
    restored = loaded(tmp_path / "saved", meta, tmp_path / "restored", longer)
    assert waiting(restored)[1] > 20
    assert len(restored.state.pending) == 60
    assert feed(restored, make_event("l1", "login", 50_000)) == []
    assert len(feed(restored, make_event("l2", "login", 50_030))) == 60


def test_spilled_impressions_without_a_place_for_them_are_an_error(
    tight: JoinerSettings, make_event: MakeEvent, tmp_path: Path
) -> None:
    joiner = joiner_in(tmp_path / "live", tight)
    feed(joiner, *impressions(make_event, 30))
    meta = saved(joiner, tmp_path / "saved")
    with pytest.raises(CorruptRecord, match="nowhere to put them"):
        load_state(tmp_path / "saved", meta, tight)


def test_a_process_has_nothing_on_the_disk_after_its_end_but_its_checkpoints(
    tight: JoinerSettings, schema: Schema, make_event: MakeEvent, tmp_path: Path
) -> None:
    log = MemoryLog()
    log.create_topic(topics.events("p"))
    for _ in range(2):
        process = JoinerProcess(log, "p", schema, tmp_path / "joiner", lambda: 0.0, settings=tight)
        log.append(topics.events("p"), [Record("u", one.to_bytes(), 0) for one in impressions(make_event, 30)])
        process.poll()
        process.checkpoint()
        assert process.waiting["num_spilled"] > 40
        assert process.waiting["spilled_bytes"] > 0
        assert process.waiting["memory_bytes"] <= tight.max_pending_bytes
        process.close()
    assert [path.name for path in tmp_path.iterdir()] == ["joiner"]
    assert process.num_pending == 60


def test_what_a_killed_process_left_on_the_disk_is_removed_by_the_next(
    tight: JoinerSettings, schema: Schema, make_event: MakeEvent, tmp_path: Path
) -> None:
    log = MemoryLog()
    log.create_topic(topics.events("p"))
    log.append(topics.events("p"), [Record("u", one.to_bytes(), 0) for one in impressions(make_event, 30)])
    killed = JoinerProcess(log, "p", schema, tmp_path / "joiner", lambda: 0.0, settings=tight)
    killed.poll()
    left = tmp_path / ".joiner.waiting"
    assert len(list(left.iterdir())) == 1
    process = JoinerProcess(log, "p", schema, tmp_path / "joiner", lambda: 0.0, settings=tight)
    process.poll()
    assert len(list(left.iterdir())) == 1
    assert process.num_pending == 60
    process.close()


def test_a_disk_that_fails_is_an_error_of_the_disk(
    tight: JoinerSettings, make_event: MakeEvent, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    joiner = joiner_in(tmp_path / "file" / "spilled", tight)
    with pytest.raises(OSError, match="Not a directory"):
        feed(joiner, *impressions(make_event, 30))
