"""Whatever is done to it, the table is what the reference is, and a replica that hears every delta becomes equal."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar

import hypothesis.strategies as st
import numpy as np
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.embedding.options import SlotRule, TableOptions
from engine.embedding.rows import Fids, Floats, SlotNumbers, TableDelta, TableRows
from engine.embedding.serving_table import ServingTable
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_restore import restore_table
from engine.embedding.table_saver import StoreImage
from engine.spec.initializer import Uniform
from engine.spec.slot import AdmitMinCount, Expiry
from engine.spec.sparse_optimizer import SparseAdagrad
from tests.engine.embedding.reference_table import ReferenceTable

DIM = 3
NUM_SHARDS = 16
OPTIMIZER = SparseAdagrad(initializer=Uniform(scale=0.05), initial_accumulator=0.1)
KNOWN_FIDS = [*range(24), 2**32, 2**63, 2**64 - 2, 2**64 - 1]

fids_lists = st.lists(st.sampled_from(KNOWN_FIDS), max_size=10)
finite_floats = st.floats(-100, 100, width=32)
any_floats = finite_floats | st.sampled_from([np.inf, -np.inf, np.nan, 1e30, 3e38])


def to_fids(values: list[int]) -> Fids:
    return np.array(values, np.uint64)


def to_slots(values: list[int]) -> SlotNumbers:
    return np.array([value % 7 + 1 for value in values], np.uint16)


def matrix(data: st.DataObject, elements: st.SearchStrategy[float], num_rows: int) -> Floats:
    values = data.draw(st.lists(elements, min_size=num_rows * DIM, max_size=num_rows * DIM))
    return np.array(values, np.float32).reshape(-1, DIM)


class TableMachine(RuleBasedStateMachine):
    """Every operation on a table whose slots admit always and expire never, and which has no budget."""

    options: ClassVar = TableOptions(DIM, 17, OPTIMIZER)

    def __init__(self) -> None:
        super().__init__()
        self.table = EmbeddingTable(self.options, index_salt=29)  # so that an example repeats
        self.reference = ReferenceTable(self.options)
        self.replica = ServingTable(DIM)
        self.outstanding: list[TableDelta] = []
        self.now_s = 1000
        self.num_over_budget = 0
        self.directory = tempfile.TemporaryDirectory()
        self.checkpoints: list[Path] = []

    def settle_budget(self) -> None:
        """The budget's choice is the table's own: the reference learns which rows went, once it is sure how many."""
        present = self.table.contains(to_fids(KNOWN_FIDS)).tolist()
        gone = {fid for fid, here in zip(KNOWN_FIDS, present, strict=True) if fid in self.reference.rows and not here}
        assert len(gone) == self.table.counters.num_over_budget - self.num_over_budget
        self.num_over_budget = self.table.counters.num_over_budget
        self.reference.remove(gone)

    @rule(dt_s=st.integers(1, 25))
    def time_passes(self, dt_s: int) -> None:
        self.now_s += dt_s

    @rule(fids=fids_lists)
    def create(self, fids: list[int]) -> None:
        slots = to_slots(fids)
        vectors = self.table.lookup_or_create(to_fids(fids), slots, self.now_s)
        self.reference.sight(fids, slots.tolist(), self.now_s)
        np.testing.assert_array_equal(vectors, self.reference.lookup(fids))
        self.settle_budget()

    @rule(data=st.data(), fids=fids_lists, learning_rate=st.floats(0.001, 1))
    def step(self, data: st.DataObject, fids: list[int], learning_rate: float) -> None:
        slots = to_slots(fids)
        batch = self.table.sight(to_fids(fids), slots, np.full(len(fids), self.now_s, np.uint32))
        self.reference.sight(fids, slots.tolist(), self.now_s, learns=True)
        self.settle_budget()
        unique = batch.fids.tolist()
        assert [unique[member] for member in batch.members] == fids
        assert batch.num_unique == len(set(fids)) == len(unique)
        np.testing.assert_array_equal(self.table.gather(batch), self.reference.lookup(unique))
        grads = matrix(data, any_floats, len(unique))
        expected = self.reference.apply_gradients(unique, grads, learning_rate)
        result = self.table.apply(batch, grads, learning_rate)
        assert (result.num_applied, result.num_absent, result.num_rejected) == expected

    @rule(data=st.data(), fids=fids_lists, learning_rate=st.floats(0.001, 1))
    def apply_gradients(self, data: st.DataObject, fids: list[int], learning_rate: float) -> None:
        grads = matrix(data, any_floats, len(fids))
        result = self.table.apply_gradients(to_fids(fids), grads, learning_rate)
        expected = self.reference.apply_gradients(fids, grads, learning_rate)
        assert (result.num_applied, result.num_absent, result.num_rejected) == expected

    @rule(data=st.data(), fids=fids_lists)
    def assign(self, data: st.DataObject, fids: list[int]) -> None:
        vectors = matrix(data, finite_floats, len(fids))
        self.table.assign(to_fids(fids), to_slots(fids), vectors)
        self.reference.assign(fids, to_slots(fids).tolist(), vectors)
        self.settle_budget()

    @rule(fids=fids_lists)
    def erase(self, fids: list[int]) -> None:
        assert self.table.erase(to_fids(fids)) == self.reference.erase(fids)

    @rule()
    def expire(self) -> None:
        gone = self.reference.expire(self.now_s)
        assert self.table.expire(self.now_s, 10_000) == len(gone)

    @rule(max_rows=st.integers(0, 20))
    def export_delta(self, max_rows: int) -> None:
        delta = self.table.export_delta(max_rows)
        upserted, deleted = delta.fids.tolist(), delta.deleted.tolist()
        exported = {*upserted, *deleted}
        assert len(exported) == len(delta) == min(max_rows, len(self.reference.pending))
        assert exported <= self.reference.pending
        assert not set(deleted) & self.reference.rows.keys()
        np.testing.assert_array_equal(delta.vectors, self.reference.lookup(upserted))
        assert delta.slots.tolist() == [self.reference.rows[fid].slot for fid in upserted]
        self.reference.export(exported)
        self.outstanding.append(delta)

    @rule()
    def publish_succeeds(self) -> None:
        for delta in self.outstanding:
            self.replica.apply_delta(delta)
        self.outstanding.clear()
        self.table.acknowledge_delta()
        self.reference.acknowledge()

    @rule(num_arrived=st.integers(0, 3))
    def publish_fails(self, num_arrived: int) -> None:
        for delta in self.outstanding[:num_arrived]:
            self.replica.apply_delta(delta)
        self.outstanding.clear()
        self.table.restore_delta()
        self.reference.restore()

    @rule(incremental=st.booleans())
    def save(self, incremental: bool) -> None:
        folder = Path(self.directory.name) / str(len(self.checkpoints))
        folder.mkdir()
        with StoreImage({"t": self.table}, incremental=incremental) as image:
            image.write(folder)
            image.confirm()
        self.checkpoints.append(folder)

    @rule(incremental=st.booleans(), with_crash=st.booleans())
    def save_and_restore(self, incremental: bool, with_crash: bool) -> None:
        self.save(incremental)
        restored = restore_table(self.options, self.checkpoints, "t")
        assert restored.digest() == self.table.digest()
        assert restored.counters == self.table.counters
        if with_crash:
            self.table = restored
            self.outstanding.clear()
            self.reference.restore()
            touched = {fid for rows in restored.rows() for fid in self.touched_of(rows)}
            # What was published since its last change, and is touched again, travels once more.
            self.reference.pending |= touched & self.reference.rows.keys()

    @staticmethod
    def touched_of(rows: TableRows) -> list[int]:
        assert rows.touched is not None
        return [int(fid) for fid in rows.fids[rows.touched]]

    @invariant()
    def same_rows(self) -> None:
        everything = to_fids(KNOWN_FIDS)
        assert len(self.table) == len(self.reference.rows) == sum(self.table.shard_sizes())
        np.testing.assert_array_equal(self.table.lookup(everything), self.reference.lookup(KNOWN_FIDS))
        assert self.table.contains(everything).tolist() == [fid in self.reference.rows for fid in KNOWN_FIDS]
        assert self.table.digest() == self.table.computed_digest() == self.reference.digest()

    @invariant()
    def same_state(self) -> None:
        changed = self.reference.pending | self.reference.in_flight
        assert self.table.num_touched == len(self.reference.pending)
        assert self.table.pending_deletes().tolist() == sorted(changed - self.reference.rows.keys())
        seen = set()
        for rows in self.table.rows(min_rows=4):
            assert rows.states is not None and rows.touched is not None
            assert rows.seen_at_s is not None and rows.counts is not None
            for i, fid in enumerate(rows.fids.tolist()):
                expected = self.reference.rows[fid]
                np.testing.assert_array_equal(rows.states[i], expected.accumulator)
                assert rows.slots[i] == expected.slot
                assert rows.seen_at_s[i] == expected.seen_at_s
                assert self.options.max_rows or rows.counts[i] == expected.count
                assert rows.touched[i] == (fid in changed)
                seen.add(fid)
        assert seen == self.reference.rows.keys()

    def teardown(self) -> None:
        self.publish_fails(0)
        while self.table.num_touched:
            self.replica.apply_delta(self.table.export_delta(5))
        assert self.replica.digest() == self.table.digest() == self.replica.computed_digest()
        assert len(self.replica) == len(self.table)
        self.directory.cleanup()


class RuledTableMachine(TableMachine):
    """Slots that admit at the third sighting, within a window or not, and slots that expire."""

    options: ClassVar = TableOptions(
        DIM,
        17,
        OPTIMIZER,
        rules=(
            SlotRule(2, AdmitMinCount(min_count=3)),
            SlotRule(3, AdmitMinCount(min_count=3, window_s=10)),
            SlotRule(4, expiry=Expiry(ttl_s=20)),
            SlotRule(5, AdmitMinCount(min_count=2, window_s=40), Expiry(ttl_s=30)),
        ),
    )


class BudgetedTableMachine(TableMachine):
    """A budget of fewer rows than there are FIDs. Who goes is the table's choice; that they go, and are told, is checked."""

    options: ClassVar = TableOptions(DIM, 17, OPTIMIZER, max_rows=8)

    @rule(data=st.data(), fids=fids_lists)
    def assign(self, data: st.DataObject, fids: list[int]) -> None:
        """Rows that are given are beyond the budget: only FIDs that have one are assigned here."""
        super().assign(data, [fid for fid in fids if fid in self.reference.rows])

    @invariant()
    def within_budget(self) -> None:
        assert len(self.table) <= self.options.max_rows + NUM_SHARDS


TestTableAgainstReference = TableMachine.TestCase
TestTableAgainstReference.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestRuledTableAgainstReference = RuledTableMachine.TestCase
TestRuledTableAgainstReference.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBudgetedTableAgainstReference = BudgetedTableMachine.TestCase
TestBudgetedTableAgainstReference.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
