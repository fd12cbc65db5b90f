"""A store has one table for each dim of its definition, and each table what the definition says."""

from __future__ import annotations

import numpy as np
import pytest

from engine.embedding.options import SlotRule, bytes_per_row, options_of
from engine.embedding.store import EmbeddingStore, ServingStore
from engine.spec.definition import DeepFM, ModelDefinition, Slot, SparseAdagrad, Training, TwoTower
from engine.spec.initializer import Uniform
from engine.spec.retention import Evict, Retention
from engine.spec.serving_copy import Precision, ServingCopy
from engine.spec.slot import AdmitMinCount, AdmitProbability, Expiry
from engine.spec.sparse_optimizer import SparseAdam, SparseSGD

DEFINITION = ModelDefinition(
    slots=[
        Slot(name="user", number=1, source="user.id", dim=32, admission=AdmitMinCount(min_count=2, window_s=60)),
        Slot(name="item", number=2, source="item.id", dim=16, expiry=Expiry(ttl_s=3600)),
        Slot(name="history", number=3, source="user.history", dim=16, shares="item"),
    ],
    architecture=TwoTower(),
    sparse_optimizer=SparseAdagrad(initializer=Uniform(scale=0.5), initial_accumulator=0.25),
    training=Training(seed=5),
    retention=Retention(max_table_bytes=2**24, evict=Evict.LEAST_OFTEN, max_candidates=5000),
    serving=ServingCopy(precision=Precision.FLOAT16),
)
FIDS, SLOTS = np.arange(100, dtype=np.uint64), np.full(100, 2, np.uint16)


def test_tables_are_keyed_by_dim() -> None:
    store = EmbeddingStore.for_definition(DEFINITION)
    assert list(store.tables) == ["dim16", "dim32"]
    assert store.table_of(DEFINITION.slots[0]) is store.tables["dim32"]
    assert store.table_of(DEFINITION.slots[2]) is store.table_of(DEFINITION.slots[1])


def test_options_are_the_definition_s() -> None:
    options = options_of(DEFINITION)
    assert options["dim32"].rules == (SlotRule(1, AdmitMinCount(min_count=2, window_s=60)),)
    assert options["dim16"].rules == (SlotRule(2, expiry=Expiry(ttl_s=3600)),)
    for dim in (16, 32):
        each = options[f"dim{dim}"]
        assert (each.dim, each.seed, each.evict, each.max_candidates) == (dim, 5, Evict.LEAST_OFTEN, 2500)
        assert each.digest_precision == Precision.FLOAT16
        assert each.max_rows == 2**23 // bytes_per_row(dim, DEFINITION.sparse_optimizer)
    without = options_of(DEFINITION.model_copy(update={"retention": Retention()}))
    assert without["dim16"].max_rows == 0


def test_rules_reach_the_core() -> None:
    rule = SlotRule(7, AdmitProbability(probability=0.25), Expiry(ttl_s=9))
    assert rule.to_core() == (7, "probability", 1, 0.25, 0, 9)
    assert SlotRule(8, AdmitMinCount(min_count=4)).to_core() == (8, "min_count", 4, 1.0, 0, 0)
    store = EmbeddingStore.for_definition(DEFINITION)
    users, numbers = store.tables["dim32"], np.ones(100, np.uint16)
    users.lookup_or_create(FIDS, numbers, 10)
    assert (len(users), users.counters.num_candidates, users.counters.num_turned_away) == (0, 100, 100)
    users.lookup_or_create(FIDS, numbers, 11)
    assert (len(users), users.counters.num_candidates) == (100, 0)
    items = store.tables["dim16"]
    items.lookup_or_create(FIDS, SLOTS, 10)
    assert items.expire(3610, 1000) == 0
    assert items.expire(3611, 1000) == 100
    assert items.counters.num_expired == 100


def test_the_definition_sets_seed_scale_and_accumulator() -> None:
    definitions = (DEFINITION, DEFINITION, DEFINITION.model_copy(update={"training": Training(seed=6)}))
    stores = [EmbeddingStore.for_definition(definition) for definition in definitions]
    vectors = [store.tables["dim16"].lookup_or_create(FIDS, SLOTS, 1) for store in stores]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert (vectors[0] != vectors[2]).any()
    assert 0.45 < np.abs(vectors[0]).max() < 0.5
    rows = next(stores[0].tables["dim16"].rows())
    np.testing.assert_array_equal(rows.states, np.full((100, 16), 0.25, np.float32))


def test_a_budget_in_bytes_holds_the_memory_of_a_large_table() -> None:
    budget_bytes = 2**25
    definition = DEFINITION.model_copy(update={"retention": Retention(max_table_bytes=budget_bytes)})
    table = EmbeddingStore.for_definition(definition).tables["dim16"]
    for start in range(0, 300_000, 10_000):
        fids = np.arange(start, start + 10_000, dtype=np.uint64)
        table.lookup_or_create(fids, np.full(10_000, 2, np.uint16), start)
    assert table.counters.num_over_budget > 0
    assert len(table) == pytest.approx(budget_bytes / 2 / bytes_per_row(16, definition.sparse_optimizer), rel=0.01)
    assert table.memory_bytes < budget_bytes


def test_a_row_takes_what_its_optimizer_keeps() -> None:
    assert bytes_per_row(16, SparseAdagrad()) - bytes_per_row(16, SparseSGD()) == 16 * 4
    assert bytes_per_row(16, SparseAdam()) > bytes_per_row(16, SparseAdagrad())


def test_counts_and_digest_cover_every_table() -> None:
    store, other = (EmbeddingStore.for_definition(DEFINITION) for _ in range(2))
    fids, slots = np.arange(3, dtype=np.uint64), np.full(3, 9, np.uint16)
    for name in ("dim16", "dim32"):
        store.tables[name].lookup_or_create(fids, slots, 1)
    assert store.num_rows == 6
    assert store.num_touched == 6
    assert store.memory_bytes == sum(table.memory_bytes for table in store.tables.values())
    for name in ("dim32", "dim16"):
        assert other.digest() != store.digest()
        other.tables[name].lookup_or_create(fids[::-1].copy(), slots, 1)
    assert other.digest() == store.digest()


def test_a_replica_s_store_is_equal_once_it_heard_the_deltas() -> None:
    store, replica = EmbeddingStore.for_definition(DEFINITION), ServingStore.for_definition(DEFINITION)
    assert list(replica.tables) == list(store.tables)
    for name, table in store.tables.items():
        table.assign(FIDS, SLOTS, np.random.default_rng(0).normal(size=(100, table.dim)).astype(np.float32))
        replica.tables[name].apply_delta(table.export_delta(1000))
    assert replica.digest() == store.digest()
    assert replica.num_rows == store.num_rows == 200
    assert replica.memory_bytes < store.memory_bytes
    assert replica.tables["dim16"].precision is Precision.FLOAT16


def test_a_deepfm_has_one_table() -> None:
    slots = [Slot(name="user", number=1, source="user.id"), Slot(name="item", number=2, source="item.id")]
    store = EmbeddingStore.for_definition(ModelDefinition(slots=slots, architecture=DeepFM()))
    assert list(store.tables) == ["dim16"]
