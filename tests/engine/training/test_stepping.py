"""Whatever happens to a trainer, its successors learn the very batches it learned, in the order in which it learned them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from engine.errors import LeaseLost, LogError, OffsetOutOfRange
from engine.streams.fencing import Fence
from engine.streams.log import Position, Record, StoredRecord
from engine.streams.memory import MemoryLog
from engine.training.example_reader import ExampleReader
from engine.training.step_journal import Step, StepJournal
from engine.training.stepping import MAX_AHEAD, Batch, Stepping
from tests.engine.training.made import FakeClock

EXAMPLES, STEPS = "shop.examples", "shop.steps.m.v1"
MAX_EXAMPLES = 4
Learned = tuple[tuple[tuple[int, int], ...], tuple[int, ...], int]


class FaultyLog(MemoryLog):
    """Fails the next append of steps, before or after it took effect, or a read of examples of the last partition."""

    failure = ""

    def read(
        self, topic: str, partition: int, offset: int, max_records: int = 1000, timeout_s: float = 0.0
    ) -> list[StoredRecord]:
        if topic == EXAMPLES and partition == self.partitions(topic)[-1]:
            self._fail(STEPS, "reading")
        return super().read(topic, partition, offset, max_records, timeout_s)

    def _fail(self, topic: str, when: str) -> None:
        if topic == STEPS and self.failure == when:
            self.failure = ""
            raise LogError(f"failed {when}")

    def append(self, topic: str, records: Sequence[Record]) -> list[Position]:
        self._fail(topic, "before")
        positions = super().append(topic, records)
        self._fail(topic, "after")
        return positions


class PlainLog(FaultyLog):
    """As Kafka, which keeps no epochs."""

    raise_epoch = None  # type: ignore[assignment]
    append_in_epoch = None  # type: ignore[assignment]


@dataclass
class Trainer:
    """What of a trainer matters here: where it is and what it has learned."""

    stepping: Stepping
    journal: StepJournal
    learned: list[Learned] = field(default_factory=list)
    place: dict[int, int] = field(default_factory=dict)

    def learn(self) -> Learned | None:
        batch = self.stepping.next()
        if batch is None:
            return None
        self.learned.append(seen(batch))
        for record in batch.records:
            self.place[record.partition] = record.offset + 1
        return self.learned[-1]


def seen(batch: Batch) -> Learned:
    return tuple((one.partition, one.offset) for one in batch.records), batch.step.caught_up, batch.step.now_ms


def begun(log: MemoryLog, clock: FakeClock, epoch: int, place: dict[int, int], learned: list[Learned]) -> Trainer:
    reader = ExampleReader(log, EXAMPLES, place)
    journal = StepJournal(log, STEPS, clock_ms=lambda: int(clock() * 1000), fence=Fence(lambda: None, epoch))
    stepping = Stepping(reader, journal, clock=clock, max_examples=MAX_EXAMPLES, linger_s=0.0)
    return Trainer(stepping, journal, list(learned), dict(place))


def filled(num: int, num_partitions: int = 1, log: MemoryLog | None = None) -> MemoryLog:
    log = log or MemoryLog()
    log.create_topic(EXAMPLES, num_partitions)
    arrive(log, num)
    return log


def arrive(log: MemoryLog, num: int, start: int = 0) -> None:
    log.append(EXAMPLES, [Record(f"user-{number}", b"", number) for number in range(start, start + num)])


def everything(trainer: Trainer) -> list[Learned]:
    while trainer.learn() is not None:
        pass
    return trainer.learned


def test_a_lone_example_is_a_batch_and_its_bounds_are_written_first() -> None:
    log, clock = filled(1), FakeClock(7.0)
    trainer = begun(log, clock, 1, {}, [])
    assert log.end_offsets(STEPS) == {0: 0}
    assert trainer.stepping.next() == Batch(Step({0: 0}, {0: 1}, (0,), 7000), log.read(EXAMPLES, 0, 0))
    assert log.end_offsets(STEPS) == {0: 1}


def test_a_backlog_is_written_down_several_batches_at_once() -> None:
    log = filled(MAX_EXAMPLES * (MAX_AHEAD + 3) + 1)
    trainer = begun(log, FakeClock(), 1, {}, [])
    assert trainer.learn() is not None
    assert trainer.stepping.num_ahead == MAX_EXAMPLES * (MAX_AHEAD - 1)
    assert [len(places) for places, _, _ in everything(trainer)] == [MAX_EXAMPLES] * (MAX_AHEAD + 3) + [1]
    # eight, then three full ones; the rest waited for more and is a batch of its own
    assert log.end_offsets(STEPS) == {0: 3}


def test_batches_of_a_log_that_is_complete_are_the_same_without_any_journal() -> None:
    """Whatever was read before a kill."""
    log, clock = filled(97, num_partitions=3), FakeClock()
    whole = everything(begun(log, clock, 1, {}, []))
    log.trim(STEPS, 0, log.end_offsets(STEPS)[0])
    for num_learned in range(0, len(whole), 5):
        part = begun(log, clock, 2 + num_learned, {}, [])
        for _ in range(num_learned):
            part.learn()
        log.trim(STEPS, 0, log.end_offsets(STEPS)[0])
        again = begun(log, clock, 3 + num_learned, part.place, part.learned)
        assert [places for places, _, _ in everything(again)] == [places for places, _, _ in whole]


def test_step_that_could_not_be_written_is_not_learned_and_comes_again() -> None:
    for failure in ("before", "after"):
        log = FaultyLog()
        filled(6, log=log)
        trainer = begun(log, FakeClock(), 1, {}, [])
        log.failure = failure
        with pytest.raises(LogError):
            trainer.stepping.next()
        arrive(log, 1, start=6)
        assert [len(places) for places, _, _ in everything(trainer)] == [4, 3]
        successor = begun(log, FakeClock(99.0), 2, {}, [])
        assert everything(successor) == trainer.learned


def test_examples_that_are_gone_though_a_step_names_them_are_missed() -> None:
    log, clock = filled(5), FakeClock()
    everything(begun(log, clock, 1, {}, []))
    log._topics[EXAMPLES][0].records.pop()
    successor = begun(log, clock, 2, {}, [])
    successor.learn()
    with pytest.raises(OffsetOutOfRange, match="the log was replaced"):
        successor.learn()


def test_run_that_begins_anew_goes_by_its_own_steps_where_an_older_history_differs() -> None:
    log, clock = filled(10), FakeClock()
    everything(begun(log, clock, 1, {}, []))
    arrive(log, 3, start=10)
    anew = begun(log, clock, 2, {0: 1}, [])  # no step began there
    learned = everything(anew)
    assert [places[0] for places, _, _ in learned] == [(0, 1), (0, 5), (0, 9)]
    arrive(log, 9, start=13)
    assert everything(begun(log, clock, 3, {0: 1}, []))[:3] == learned


def test_steps_that_no_checkpoint_needs_leave_the_log() -> None:
    log, clock = FaultyLog(), FakeClock()
    log.create_topic(EXAMPLES)
    trainer = begun(log, clock, 1, {}, [])
    for number in range(6):
        arrive(log, 1, start=number)
        trainer.learn()
    trainer.journal.forget_before({0: 4})
    assert (log.earliest_offsets(STEPS), log.end_offsets(STEPS)) == ({0: 3}, {0: 6})
    trainer.journal.forget_before({0: 4})
    arrive(log, 5, start=6)
    again = begun(log, FakeClock(55.0), 2, {0: 4}, trainer.learned[:4])
    assert [again.learn(), again.learn()] == trainer.learned[4:6]


def test_record_that_is_no_step_is_stepped_over() -> None:
    log, clock = filled(9), FakeClock()
    learned = everything(begun(log, clock, 1, {}, []))
    log.append(
        STEPS, [Record("steps", b'{"epoch": 1, "steps": [{"places": [[0, 0]]}]}', 0), Record("steps", b"\xff", 0)]
    )
    assert everything(begun(log, clock, 2, {}, [])) == learned


class Lives(RuleBasedStateMachine):
    """Examples arrive, trainers are killed and lose their leases at every moment, and one history comes of it."""

    make_log: type[FaultyLog]

    def __init__(self) -> None:
        super().__init__()
        self.log, self.clock = self.make_log(), FakeClock()
        self.history: list[Learned] = []
        self.num_examples = 0
        self.num_lives = 0
        self.checkpoints: list[tuple[dict[int, int], list[Learned]]] = [({}, [])]
        self.asleep: list[Trainer] = []

    @initialize(num_partitions=st.integers(1, 3))
    def begin(self, num_partitions: int) -> None:
        self.log.create_topic(EXAMPLES, num_partitions)
        self.restart(newest=True)

    @rule(num=st.integers(1, 20))
    def examples_arrive(self, num: int) -> None:
        arrive(self.log, num, self.num_examples)
        self.num_examples += num

    @rule(passed_s=st.floats(-1.0, 9.0))
    def time_passes(self, passed_s: float) -> None:
        self.clock.now_s += passed_s

    @rule(failure=st.sampled_from(["", "", "before", "after", "reading"]), num=st.integers(1, 4))
    def train(self, failure: str, num: int) -> None:
        self.log.failure = failure
        try:
            for _ in range(num):
                if self.now.learn() is not None:
                    self.compare()
        except LogError:
            assert failure
        self.log.failure = ""

    @rule()
    def checkpoint(self) -> None:
        self.checkpoints = [*self.checkpoints[-2:], (dict(self.now.place), list(self.now.learned))]
        oldest = min((place for place, _ in self.checkpoints), key=lambda place: sum(place.values()))
        self.now.journal.forget_before(oldest)

    @rule(newest=st.booleans())
    def restart(self, newest: bool) -> None:
        """After a kill, from a checkpoint; if the others are damaged, from the one written first."""
        self.num_lives += 1
        place, learned = self.checkpoints[-1 if newest else 0]
        self.now = begun(self.log, self.clock, self.num_lives, place, learned)

    @rule()
    def fall_asleep(self) -> None:
        self.asleep.append(self.now)
        self.restart(newest=True)

    @precondition(lambda self: self.asleep)
    @rule(data=st.data())
    def wake_up(self, data: st.DataObject) -> None:
        sleeper = data.draw(st.sampled_from(self.asleep))
        try:
            sleeper.learn()
        except LeaseLost:
            assert self.make_log is FaultyLog
        except OffsetOutOfRange:
            pass

    def compare(self) -> None:
        number = len(self.now.learned) - 1
        if number == len(self.history):
            self.history.append(self.now.learned[-1])
        assert self.now.learned[-1] == self.history[number]

    def teardown(self) -> None:
        while self.now.learn() is not None:
            self.compare()
        places = [place for each, _, _ in self.history for place in each]
        assert len(places) == len(set(places)) == self.num_examples


@pytest.mark.parametrize("make_log", [FaultyLog, PlainLog])
def test_whatever_happens_there_is_one_history(make_log: type[FaultyLog]) -> None:
    machine: Any = type("Lives", (Lives,), {"make_log": make_log})
    run_state_machine_as_test(machine, settings=settings(max_examples=150, stateful_step_count=30, deadline=None))
