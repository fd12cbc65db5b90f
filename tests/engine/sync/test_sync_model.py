"""Whatever happens between a trainer and its replicas, in whatever order: once things calm down they hold the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from numpy.typing import NDArray

from engine.embedding.store import EmbeddingStore
from engine.embedding.table_restore import restore_table
from engine.embedding.table_saver import StoreImage
from engine.errors import LogError
from engine.streams.memory import MemoryLog
from tests.engine.sync.parties import TOPIC, Replica, Trainer, make_store, through, train

FIDS = st.lists(st.integers(1, 40), min_size=1, max_size=4)


class FailingLog(MemoryLog):
    """Fails the next append before or after it took effect."""

    failure: str = ""

    def append(self, topic: str, records: Any) -> Any:
        failure, self.failure = self.failure, ""
        if failure == "before":
            raise LogError("not appended")
        positions = super().append(topic, records)
        if failure == "after":
            raise LogError("outcome unknown")
        return positions


class SyncMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.snapshots = Path(self.folder.name) / "snapshots"
        self.log = FailingLog()
        self.trainer = Trainer(self.log, self.snapshots)
        self.replicas = [Replica(self.log, self.snapshots), Replica(self.log, self.snapshots)]
        self.weights: dict[str, NDArray[np.float32]] = {"bias": np.zeros(1, np.float32)}
        self.step = 0
        self.replay: list[Callable[[EmbeddingStore], None]] = []
        self.checkpoint()
        self.settle()

    def teardown(self) -> None:
        self.settle()
        self.folder.cleanup()

    def learn(self, work: Callable[[EmbeddingStore], None]) -> None:
        work(self.trainer.store)
        self.replay.append(work)
        self.step += 1

    @rule(fids=FIDS, gradient=st.sampled_from([-1.0, 0.25, 2.0]))
    def train(self, fids: list[int], gradient: float) -> None:
        self.learn(lambda store: train(store, fids, gradient))

    @rule(fids=FIDS)
    def erase(self, fids: list[int]) -> None:
        def work(store: EmbeddingStore) -> None:
            for table in store.tables.values():
                table.erase(np.array(fids, np.uint64))

        self.learn(work)

    @rule(failure=st.sampled_from(["", "", "before", "after"]))
    def publish_rows(self, failure: str) -> None:
        self.log.failure = failure
        try:
            self.trainer.publisher.publish_rows(through(self.step))
        except LogError:
            assert failure
        self.log.failure = ""

    @rule(failure=st.sampled_from(["", "", "before", "after"]))
    def publish_dense(self, failure: str) -> None:
        self.weights = {"bias": np.array([self.step], np.float32)}
        self.log.failure = failure
        try:
            self.trainer.publisher.publish_dense(self.weights, through(self.step))
        except LogError:
            assert failure

    @rule()
    def checkpoint(self) -> None:
        saved = Path(self.folder.name) / "saved"
        saved.mkdir(exist_ok=True)
        with StoreImage(self.trainer.store.tables, incremental=False) as image:
            image.write(saved)
        self.replay = []

    @rule(failure=st.sampled_from(["", "before", "after"]))
    def kill_the_trainer(self, failure: str) -> None:
        """While it publishes, perhaps; then it comes back from its checkpoint and trains the same again."""
        if failure:
            self.publish_rows(failure)
        numbers = self.trainer.numbers
        saved = Path(self.folder.name) / "saved"
        tables = {
            name: restore_table(table.options, [saved], name) for name, table in self.trainer.store.tables.items()
        }
        self.trainer = Trainer(self.log, self.snapshots, EmbeddingStore(tables))
        self.trainer.numbers = numbers
        for work in self.replay:
            work(self.trainer.store)

    @rule(publish=st.booleans())
    def snapshot(self, publish: bool) -> None:
        self.trainer.publisher.publish_dense(self.weights, through(self.step))
        folder = self.trainer.write_snapshot(through(self.step), self.weights)
        if publish:
            self.trainer.publisher.publish_snapshot(folder, through(self.step))

    @rule()
    def trim(self) -> None:
        if list(self.snapshots.glob("*")):
            self.trainer.write_snapshot(through(self.step), self.weights)
            self.trainer.publisher.trim_before(self.trainer.publisher.next_offset)

    @rule(back=st.integers(0, 5), bit=st.integers(0, 2**12))
    def damage_a_record(self, back: int, bit: int) -> None:
        held = self.log._topics[TOPIC][0].records
        if back < len(held):
            value = bytearray(held[-1 - back].value)
            value[bit // 8 % len(value)] ^= 1 << bit % 8
            held[-1 - back] = replace(held[-1 - back], value=bytes(value))

    @rule(which=st.integers(0, 1))
    def poll(self, which: int) -> None:
        self.replicas[which].applier.poll()

    @rule(which=st.integers(0, 1))
    def kill_a_replica(self, which: int) -> None:
        self.replicas[which] = Replica(self.log, self.snapshots)

    @rule()
    def settle(self) -> None:
        """Everything is published, replicas had time, and those that still wait for a snapshot get one."""
        self.trainer.publisher.publish_rows(through(self.step))
        self.trainer.publisher.publish_dense(self.weights, through(self.step))
        for replica in self.replicas:
            replica.follow()
        statuses = [replica.applier.status() for replica in self.replicas]
        if any(status.waiting_for_snapshot or not status.is_ready for status in statuses):
            self.trainer.write_snapshot(through(self.step), self.weights)
        for replica in self.replicas:
            replica.follow()
            status = replica.applier.status()
            assert status.waiting_for_snapshot is None
            assert status.sequence == status.trainer_sequence == self.trainer.publisher.sequence
            assert status.trained_through == through(self.step)
            for name, table in self.trainer.store.tables.items():
                assert replica.applier.store.tables[name].digest() == table.digest()
            assert replica.weights["bias"].tolist() == self.weights["bias"].tolist()

    @invariant()
    def the_first_replica_follows_eagerly(self) -> None:
        self.replicas[0].follow()

    @invariant()
    def sequences_never_pass_the_trainers(self) -> None:
        for replica in self.replicas:
            assert replica.applier.status().sequence <= self.log.end_offsets(TOPIC)[0]


def test_replicas_hold_what_the_trainer_holds_after_any_sequence_of_mishaps() -> None:
    run_state_machine_as_test(SyncMachine, settings=settings(max_examples=40, stateful_step_count=20, deadline=None))


def test_the_machine_would_notice_a_difference() -> None:
    store, other = make_store(), make_store()
    train(store, [1, 2])
    train(other, [1, 3])
    assert store.digest() != other.digest()
