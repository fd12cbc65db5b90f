"""A trainer that slept through its lease and wakes up between its last look and its append: nobody ever serves what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine.embedding.store import EmbeddingStore
from engine.errors import LeaseLost
from engine.streams.fencing import Fence
from engine.streams.memory import MemoryLog
from engine.sync.delta import decode_header
from tests.engine.sync.parties import TOPIC, Replica, Trainer, make_store, through, train

FIDS = st.lists(st.integers(1, 30), min_size=1, max_size=3)


class PlainLog(MemoryLog):
    """A log that keeps no epochs, as Kafka: an append of an old holder succeeds."""

    raise_epoch = None  # type: ignore[assignment]
    append_in_epoch = None  # type: ignore[assignment]


LOGS = [MemoryLog, PlainLog]


def holder(log: MemoryLog, folder: Path, epoch: int, check: Callable[[], None] = lambda: None) -> Trainer:
    return Trainer(log, folder, fence=Fence(check, epoch))


def headers(log: MemoryLog) -> list[tuple[int, int]]:
    """(epoch, sequence) of every delta."""
    found = [decode_header(record.value) for record in log.read(TOPIC, 0, 0)]
    return [(header.epoch, header.sequence) for header in found]


@pytest.mark.parametrize("make_log", LOGS)
def test_it_is_not_heard_after_its_successor_has_begun(make_log: type[MemoryLog], tmp_path: Path) -> None:
    log = make_log()
    old = holder(log, tmp_path, 3)
    train(old.store, [1, 2])
    old.publisher.publish_rows(through(1))
    new = holder(log, tmp_path, 4)
    train(new.store, [1, 2])
    train(old.store, [1, 7], gradient=9.0)
    with pytest.raises(LeaseLost):
        old.publisher.publish_rows(through(2))
    new.publisher.publish_rows(through(1))
    replica = Replica(log, tmp_path)
    replica.follow()
    status = replica.applier.status()
    assert replica.applier.store.digest() == new.store.digest()
    assert (status.num_resyncs, status.waiting_for_snapshot, status.last_error) == (0, None, None)
    assert status.sequence == new.publisher.sequence
    assert status.num_fenced == (2 if make_log is PlainLog else 0)


@pytest.mark.parametrize("make_log", LOGS)
def test_a_successor_that_begins_between_its_look_and_its_append_is_not_disturbed(
    make_log: type[MemoryLog], tmp_path: Path
) -> None:
    log = make_log()
    begun: list[Trainer] = []
    sleeps = False

    def sleep_after_the_look() -> None:
        if sleeps:
            begun.append(holder(log, tmp_path, 9))

    old = holder(log, tmp_path, 8, sleep_after_the_look)
    train(old.store, [1, 2], gradient=9.0)
    sleeps = True
    with pytest.raises(LeaseLost):
        old.publisher.publish_rows(through(2))
    (new,) = begun
    assert old.store.num_touched == 4, "what was not heard is not forgotten"
    train(new.store, [1])
    new.publisher.publish_rows(through(1))
    replica = Replica(log, tmp_path)
    replica.follow()
    assert replica.applier.store.digest() == new.store.digest()
    assert replica.applier.status().num_resyncs == 0


def test_an_old_holder_that_tries_again_and_again_is_refused_each_time(tmp_path: Path) -> None:
    log = PlainLog()
    old = holder(log, tmp_path, 1)
    for epoch in range(2, 5):
        holder(log, tmp_path, epoch)
        for _ in range(3):
            train(old.store, [1])
            with pytest.raises(LeaseLost):
                old.publisher.publish_rows(through(epoch))


def test_in_a_log_that_keeps_epochs_nothing_of_it_is_even_written(tmp_path: Path) -> None:
    log = MemoryLog()
    old = holder(log, tmp_path, 1)
    holder(log, tmp_path, 2)
    with pytest.raises(LeaseLost):
        old.publisher.publish_dense({}, through(1))
    assert headers(log) == []


def test_in_a_log_that_keeps_none_each_begins_with_an_empty_delta_that_repeats_the_last_word(tmp_path: Path) -> None:
    log = PlainLog()
    first = holder(log, tmp_path, 1)
    train(first.store, [1])
    first.publisher.publish_rows(through(5))
    created_ms = first.now_ms
    second = holder(log, tmp_path, 2)
    assert headers(log) == [(1, 1), (1, 2), (1, 3), (2, 4)]
    last = second.publisher.last_published
    assert last is not None
    assert (last.trained_through, last.created_ms, last.num_upserts) == (through(5), created_ms, 0)


def test_who_begins_after_its_own_lease_was_lost_is_refused(tmp_path: Path) -> None:
    for log in (MemoryLog(), PlainLog()):
        train((new := holder(log, tmp_path, 2)).store, [1])
        new.publisher.publish_rows(through(1))
        with pytest.raises(LeaseLost):
            holder(log, tmp_path, 1)


@pytest.mark.parametrize("make_log", LOGS)
def test_deltas_from_before_there_were_epochs_are_followed(make_log: type[MemoryLog], tmp_path: Path) -> None:
    log = make_log()
    before = Trainer(log, tmp_path)
    train(before.store, [1, 2])
    before.publisher.publish_rows(through(1))
    assert {epoch for epoch, _ in headers(log)} == {0}
    after = Trainer(log, tmp_path, before.store, fence=Fence(lambda: None, 1))
    train(after.store, [3])
    after.publisher.publish_rows(through(2))
    replica = Replica(log, tmp_path)
    replica.follow()
    assert replica.applier.store.digest() == after.store.digest()


def test_a_replica_that_starts_from_a_snapshot_knows_whom_not_to_hear(tmp_path: Path) -> None:
    log = PlainLog()
    old = holder(log, tmp_path, 1)
    new = holder(log, tmp_path, 2)
    weights = {"bias": np.zeros(1, np.float32)}
    new.publisher.publish_dense(weights, through(1))
    new.write_snapshot(through(1), weights)
    train(old.store, [5], gradient=9.0)
    with pytest.raises(LeaseLost):
        old.publisher.publish_rows(through(9))
    replica = Replica(log, tmp_path)
    replica.follow()
    assert replica.applier.status().num_fenced == 2
    assert replica.applier.store.num_rows == 0


class Holders(RuleBasedStateMachine):
    """Leases pass on, old holders go on with what only they have learned, and replicas follow at their own pace."""

    make_log: type[MemoryLog]

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.log = self.make_log()
        self.replicas = [self.replica(), self.replica()]
        self.learned: list[Callable[[EmbeddingStore], None]] = []
        self.old: list[Trainer] = []

    def replica(self) -> Replica:
        return Replica(self.log, Path(self.folder.name))

    def teardown(self) -> None:
        self.settle()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        self.now = holder(self.log, Path(self.folder.name), 1)

    @rule(fids=FIDS)
    def learn(self, fids: list[int]) -> None:
        def work(store: EmbeddingStore) -> None:
            train(store, fids)

        work(self.now.store)
        self.learned.append(work)

    @rule()
    def publish(self) -> None:
        self.now.publisher.publish_rows(through(len(self.learned)))

    @rule()
    def lose_and_acquire(self) -> None:
        self.old.append(self.now)
        self.now = holder(self.log, Path(self.folder.name), len(self.old) + 1)
        for work in self.learned:
            work(self.now.store)

    @precondition(lambda self: self.old)
    @rule(data=st.data(), fids=FIDS)
    def old_holder_wakes_up(self, data: st.DataObject, fids: list[int]) -> None:
        """Its look at the lease was before it fell asleep."""
        old = data.draw(st.sampled_from(self.old))
        train(old.store, fids, gradient=-7.0)
        with pytest.raises(LeaseLost):
            old.publisher.publish_rows(through(1000))

    @rule(which=st.integers(0, 1))
    def replica_polls(self, which: int) -> None:
        self.replicas[which].applier.poll()

    @rule(which=st.integers(0, 1))
    def replica_starts_anew(self, which: int) -> None:
        self.replicas[which] = self.replica()

    @rule()
    def settle(self) -> None:
        self.publish()
        for replica in self.replicas:
            replica.follow()
            assert replica.applier.store.digest() == self.now.store.digest()
            assert replica.applier.status().sequence == self.now.publisher.sequence
            assert replica.applier.status().trained_through == through(len(self.learned))

    @invariant()
    def no_replica_was_ever_led_astray(self) -> None:
        for replica in self.replicas:
            assert replica.applier.status().last_error is None
            assert replica.applier.status().trained_through.event_time_ms < 1000


@pytest.mark.parametrize("make_log", LOGS)
def test_whoever_loses_and_wakes_replicas_hold_what_the_holder_of_the_lease_has(make_log: type[MemoryLog]) -> None:
    machine = type("Holders", (Holders,), {"make_log": make_log})
    run_state_machine_as_test(machine, settings=settings(max_examples=40, stateful_step_count=25, deadline=None))


def test_the_machine_would_notice_an_old_holders_rows() -> None:
    one, other = make_store(), make_store()
    train(one, [1])
    train(other, [1], gradient=-7.0)
    assert one.digest() != other.digest()
