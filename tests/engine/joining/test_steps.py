"""What was done is done again after a restart, whatever it depended on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.joining.process import JoinerProcess
from engine.joining.steps import Step, StepLog
from engine.spec.event import CatalogChange, Event
from engine.spec.example import Example
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog

MakeEvent = Callable[..., Event]
EVENTS, STEPS = topics.events("p"), topics.joiner_steps("p")
ONE = Step(1, {0: (0, 5), 2: (7, 9)}, {0: 3})
TWO = Step(2)
THREE = Step(3, {0: (5, 6)}, {0: 3})


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


def test_steps_are_read_by_the_next_writer_as_they_were_written(log: MemoryLog) -> None:
    first = StepLog(log, "p", "a")
    assert first.take_over(None) == []
    first.write(ONE)
    first.write(TWO)
    second = StepLog(log, "p", "b")
    assert second.take_over(None) == [ONE, TWO]
    second.write(THREE)
    assert StepLog(log, "p", "c").take_over(None) == [ONE, TWO, THREE]


def test_a_checkpoint_begins_after_its_own_steps(log: MemoryLog) -> None:
    first = StepLog(log, "p", "a")
    first.take_over(None)
    first.write(ONE)
    since = first.to_json()
    first.write(TWO)
    assert StepLog(log, "p", "b").take_over(since) == [TWO]


def test_what_a_writer_taken_for_dead_adds_is_passed_over_by_all(log: MemoryLog) -> None:
    first, second = StepLog(log, "p", "a"), StepLog(log, "p", "b")
    first.take_over(None)
    first.write(ONE)
    since = first.to_json()
    assert second.take_over(since) == []
    first.write(TWO)
    second.write(THREE)
    assert StepLog(log, "p", "c").take_over(since) == [THREE]
    assert StepLog(log, "p", "d").take_over(None) == [ONE, THREE]


def test_steps_that_were_trimmed_are_not_done_in_part(log: MemoryLog) -> None:
    first = StepLog(log, "p", "a")
    first.take_over(None)
    since = first.to_json()
    first.write(ONE)
    first.write(TWO)
    first.forget_before(2)
    assert StepLog(log, "p", "b").take_over(since) == []


def emitted(log: MemoryLog) -> list[Example]:
    return [Example.from_bytes(one.value) for one in log.read(topics.examples("p"), 0, 0, 1000)]


class Restarted:
    """A joiner that begins anew, from its last checkpoint, at each poll."""

    def __init__(self, log: MemoryLog, schema: Schema, directory: Path, num_partitions: int = 1) -> None:
        log.create_topic(EVENTS, num_partitions)
        self.log = log
        self.now_ms = 0
        self._schema = schema
        self._directory = directory / "joiner"

    def send(self, *events: Event) -> None:
        self.log.append(EVENTS, [Record(one.user_id, one.to_bytes(), one.received_ms) for one in events])

    def poll(self, now_ms: int = 0, *, checkpoint: bool = False) -> list[str]:
        self.now_ms = max(self.now_ms, now_ms)
        process = JoinerProcess(self.log, "p", self._schema, self._directory, lambda: self.now_ms / 1000)
        process.poll()
        if checkpoint:
            process.checkpoint()
        return [one.example_id for one in emitted(self.log)]


def test_a_window_ended_by_the_wall_clock_stays_ended(
    log: MemoryLog, schema: Schema, make_event: MakeEvent, tmp_path: Path
) -> None:
    """The log alone, read again, has the click within the window."""
    joiner = Restarted(log, schema, tmp_path)
    joiner.send(make_event("i1", "impression", 1_000, "a"))
    joiner.poll()
    assert joiner.poll(now_ms=30_000) == ["i1:a:none"]
    joiner.send(make_event("c1", "click", 2_000, "a"))
    for _ in range(3):
        assert joiner.poll() == ["i1:a:none", "c1"]


def test_partitions_are_mixed_as_they_were(
    log: MemoryLog, schema: Schema, make_event: MakeEvent, tmp_path: Path
) -> None:
    """User y's partition was behind: what it ended of x's windows it ends again, though all is there at once now."""
    joiner = Restarted(log, schema, tmp_path, num_partitions=2)
    users = {log.append(EVENTS, [Record(name, b"", 0)])[0].partition: name for name in "abcdefgh"}
    x, y = users[0], users[1]
    joiner.send(make_event("i1", "impression", 0, "a", user_id=x), make_event("i2", "impression", 0, "a", user_id=y))
    joiner.poll()
    joiner.send(make_event("l1", "login", 25_000, user_id=y))
    assert joiner.poll() == ["i1:a:none", "i2:a:none"]
    joiner.send(make_event("c1", "click", 2_000, "a", user_id=x))
    for _ in range(3):
        assert joiner.poll() == ["i1:a:none", "i2:a:none", "c1"]


def test_the_catalogue_is_as_far_as_it_was(
    log: MemoryLog, schema: Schema, make_event: MakeEvent, tmp_path: Path
) -> None:
    joiner = Restarted(log, schema, tmp_path)

    def price(value: float) -> None:
        log.append(topics.catalog("p"), [Record("item:a", CatalogChange("item", "a", {"price": value}).to_bytes(), 0)])

    joiner.poll()
    price(1.0)
    joiner.send(make_event("i1", "impression", 1_000, "a"))
    joiner.poll()
    price(2.0)
    joiner.send(make_event("c1", "click", 1_500, "a"), make_event("c2", "click", 1_500, "a", user_id="v"))
    joiner.poll()
    assert [(one.example_id, one.item) for one in emitted(log)] == [
        ("i1:a:click", {"price": 1.0}),
        ("c2", {"price": 2.0}),
    ]


def test_steps_are_kept_as_long_as_the_oldest_checkpoint(
    log: MemoryLog, schema: Schema, make_event: MakeEvent, tmp_path: Path
) -> None:
    joiner = Restarted(log, schema, tmp_path)
    earliest = []
    for number in range(4):
        joiner.send(make_event(f"c{number}", "click", number, "a"))
        joiner.poll(checkpoint=True)
        earliest.append(log.earliest_offsets(STEPS)[0])
    # Each life writes that it begins, and one step; two checkpoints are kept.
    assert earliest == [2, 2, 4, 6]
