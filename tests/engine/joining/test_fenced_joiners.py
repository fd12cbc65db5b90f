"""A joiner that slept through its lease appends to `examples` after its successor has begun: nobody counts what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.errors import LeaseLost
from engine.joining.joiner import Joiner
from engine.joining.process import JoinerProcess
from engine.joining.state import JoinerSettings
from engine.spec.event import Event
from engine.spec.example import Example
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.fencing import Fence
from engine.streams.log import Position, Record
from engine.streams.memory import MemoryLog
from engine.training.logged import parse_records
from tests.engine.sync.test_fenced_trainers import PlainLog

MakeEvent = Callable[..., Event]
EVENTS, EXAMPLES = topics.events("shop"), topics.examples("shop")
NUM_PARTITIONS = 3


class SleepyLog(PlainLog):
    """One append to `examples` sleeps between the look at its fence and the append, while others act."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] | None = None

    def append(self, topic: str, records: Sequence[Record]) -> list[Position]:
        if topic == EXAMPLES and self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()
        return super().append(topic, records)


@pytest.fixture
def log() -> SleepyLog:
    log = SleepyLog()
    for topic in (EVENTS, EXAMPLES):
        log.create_topic(topic, NUM_PARTITIONS)
    return log


@pytest.fixture
def holder(log: SleepyLog, schema: Schema, tmp_path: Path) -> Callable[[int], JoinerProcess]:
    def make(epoch: int) -> JoinerProcess:
        fence = Fence(lambda: None, epoch)
        return JoinerProcess(log, "shop", schema, tmp_path, lambda: 100.0, fence=fence, checkpoint_every_s=1e9)

    return make


def send(log: MemoryLog, make_event: MakeEvent, *names: str) -> None:
    events = [make_event(name, "click", 5, "a", user_id=f"user-{name}") for name in names]
    log.append(EVENTS, [Record(event.user_id, event.to_bytes(), event.received_ms) for event in events])


def read(log: MemoryLog) -> list[Example]:
    """As whoever learns reads them."""
    records = [record for one in range(NUM_PARTITIONS) for record in log.read(EXAMPLES, one, 0)]
    return parse_records(records).examples


def ids(log: MemoryLog) -> list[str]:
    return sorted(example.example_id for example in read(log))


def test_what_it_appends_late_is_passed_over_and_its_successor_joins_the_same_once(
    log: SleepyLog, holder: Callable[[int], JoinerProcess], make_event: MakeEvent
) -> None:
    names = [f"c{number}" for number in range(12)]
    send(log, make_event, *names)
    old, new = holder(3), holder(4)
    assert old.num_pending == 0  # it has begun
    log.meanwhile = new.poll
    old.poll()
    assert ids(log) == sorted(names)
    assert {example.epoch for example in read(log)} == {4}
    records = [record for one in range(NUM_PARTITIONS) for record in log.read(EXAMPLES, one, 0)]
    logged = parse_records(records)
    assert len(logged.fenced) == 12
    assert logged.epochs == dict.fromkeys(range(NUM_PARTITIONS), 4)
    assert logged.next_offsets == log.end_offsets(EXAMPLES)


def test_a_third_one_does_not_take_what_the_stale_one_wrote_for_emitted(
    log: SleepyLog, holder: Callable[[int], JoinerProcess], make_event: MakeEvent
) -> None:
    """The second died right after its checkpoint: before it joined what the stale one did, whose records lie behind the checkpoint."""
    old, second = holder(3), holder(4)
    assert old.num_pending == 0
    second.checkpoint()
    send(log, make_event, "c1", "c2", "c3")
    old.poll()
    assert ids(log) == []
    third = holder(5)
    third.poll()
    assert (ids(log), third.num_suppressed) == (["c1", "c2", "c3"], 0)


def test_it_leaves_out_what_its_predecessor_wrote_while_it_held_the_lease(
    log: SleepyLog, holder: Callable[[int], JoinerProcess], make_event: MakeEvent
) -> None:
    send(log, make_event, "c1", "c2")
    holder(3).poll()
    send(log, make_event, "c3")
    after = holder(4)
    after.poll()
    assert (ids(log), after.num_suppressed) == (["c1", "c2", "c3"], 2)


def test_one_that_finds_a_successor_ends(log: SleepyLog, holder: Callable[[int], JoinerProcess]) -> None:
    holder(4).poll()
    with pytest.raises(LeaseLost):
        holder(3).poll()


def test_a_log_that_keeps_epochs_needs_none_in_its_records(
    schema: Schema, make_event: MakeEvent, tmp_path: Path
) -> None:
    log = MemoryLog()
    process = JoinerProcess(log, "shop", schema, tmp_path, lambda: 100.0, fence=Fence(lambda: None, 7))
    send(log, make_event, "c1")
    process.poll()
    [record] = log.read(EXAMPLES, 0, 0)
    assert b"epoch" not in record.value


@pytest.mark.parametrize("epoch", [0, 9])
def test_an_example_says_its_epoch_and_is_read_again(make_event: MakeEvent, schema: Schema, epoch: int) -> None:

    [example] = Joiner(JoinerSettings.from_schema(schema)).process(0, 0, make_event("c1", "click", 5, "a"))
    again = Example.from_bytes(example.to_bytes(epoch))
    assert again.epoch == epoch
    assert again.to_bytes() == example.to_bytes(epoch)
