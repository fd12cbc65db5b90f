"""Whatever is done to it, the table is what the reference is, and a replica that hears every delta becomes equal."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.embedding.table import EmbeddingTable, Fids, Floats, SlotNumbers, TableDelta
from engine.embedding.table_file import load_table, save_table
from tests.engine.embedding.reference_table import ReferenceTable

DIM = 3
SEED = 17
INIT_SCALE = 0.05
INITIAL_ACCUMULATOR = 0.1
KNOWN_FIDS = [*range(12), 2**32, 2**63, 2**64 - 2, 2**64 - 1]

fids_lists = st.lists(st.sampled_from(KNOWN_FIDS), max_size=10)
finite_floats = st.floats(-100, 100, width=32)
any_floats = finite_floats | st.sampled_from([np.inf, -np.inf, np.nan, 1e30, 3e38])
seeds = st.integers(0, 2**32 - 1)


def new_table() -> EmbeddingTable:
    return EmbeddingTable(DIM, seed=SEED, init_scale=INIT_SCALE, initial_accumulator=INITIAL_ACCUMULATOR)


def to_fids(values: list[int]) -> Fids:
    return np.array(values, np.uint64)


def to_slots(values: list[int]) -> SlotNumbers:
    return np.array([value % 7 + 1 for value in values], np.uint16)


def matrix(data: st.DataObject, elements: st.SearchStrategy[float], num_rows: int) -> Floats:
    values = data.draw(st.lists(elements, min_size=num_rows * DIM, max_size=num_rows * DIM))
    return np.array(values, np.float32).reshape(-1, DIM)


class TableMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.table = new_table()
        self.reference = ReferenceTable(DIM, SEED, INIT_SCALE, INITIAL_ACCUMULATOR)
        self.replica = new_table()
        self.outstanding: list[TableDelta] = []

    @rule(fids=fids_lists)
    def create(self, fids: list[int]) -> None:
        slots = to_slots(fids)
        vectors = self.table.lookup_or_create(to_fids(fids), slots)
        self.reference.create(fids, slots.tolist())
        np.testing.assert_array_equal(vectors, self.reference.lookup(fids))

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

    @rule(fids=fids_lists)
    def erase(self, fids: list[int]) -> None:
        assert self.table.erase(to_fids(fids)) == self.reference.erase(fids)

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

    @rule(with_crash=st.booleans())
    def save_and_load(self, with_crash: bool) -> None:
        loaded = new_table()
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "table.arrow"
            save_table(self.table, path)
            assert load_table(loaded, path) == len(self.table)
        assert loaded.digest() == self.table.digest()
        if with_crash:
            self.table = loaded
            self.outstanding.clear()
            self.reference.restore()

    @rule(data=st.data(), fids=fids_lists, deleted=fids_lists)
    def apply_delta(self, data: st.DataObject, fids: list[int], deleted: list[int]) -> None:
        # As a replica: what arrives is not to be published again, so the replica here hears of it too.
        vectors = matrix(data, finite_floats, len(fids))
        delta = TableDelta(to_fids(fids), to_slots(fids), vectors, to_fids(deleted))
        self.table.apply_delta(delta)
        self.replica.apply_delta(delta)
        self.reference.apply_delta(fids, to_slots(fids).tolist(), vectors, deleted)
        # A delta of before would undo this one downstream; the order of publishing is the log's.
        self.table.restore_delta()
        self.reference.restore()
        self.outstanding.clear()

    @invariant()
    def same_rows(self) -> None:
        everything = to_fids(KNOWN_FIDS)
        assert len(self.table) == len(self.reference.rows)
        np.testing.assert_array_equal(self.table.lookup(everything), self.reference.lookup(KNOWN_FIDS))
        assert self.table.contains(everything).tolist() == [fid in self.reference.rows for fid in KNOWN_FIDS]
        assert self.table.digest() == self.reference.digest()

    @invariant()
    def same_state(self) -> None:
        changed = self.reference.pending | self.reference.in_flight
        assert self.table.num_touched == len(self.reference.pending)
        assert self.table.pending_deletes().tolist() == sorted(changed - self.reference.rows.keys())
        seen = set()
        for rows in self.table.rows(max_rows=4):
            assert rows.accumulators is not None
            assert rows.touched is not None
            for i, fid in enumerate(rows.fids.tolist()):
                expected = self.reference.rows[fid]
                np.testing.assert_array_equal(rows.accumulators[i], expected.accumulator)
                assert rows.slots[i] == expected.slot
                assert rows.touched[i] == (fid in changed)
                seen.add(fid)
        assert seen == self.reference.rows.keys()

    def teardown(self) -> None:
        self.publish_fails(0)
        while self.table.num_touched:
            self.replica.apply_delta(self.table.export_delta(5))
        assert self.replica.digest() == self.table.digest()
        assert len(self.replica) == len(self.table)
        assert self.replica.num_touched == 0


TestTableAgainstReference = TableMachine.TestCase
TestTableAgainstReference.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
