"""A store has one table for each dim of its definition."""

from __future__ import annotations

import numpy as np

from engine.embedding.store import EmbeddingStore
from engine.spec.definition import DeepFM, ModelDefinition, Slot, SparseAdagrad, Training, TwoTower
from engine.spec.initializer import Uniform

DEFINITION = ModelDefinition(
    slots=[
        Slot(name="user", number=1, source="user.id", dim=32),
        Slot(name="item", number=2, source="item.id", dim=16),
        Slot(name="history", number=3, source="user.history", dim=16, shares="item"),
    ],
    architecture=TwoTower(),
    sparse_optimizer=SparseAdagrad(initializer=Uniform(scale=0.5), initial_accumulator=0.25),
    training=Training(seed=5),
)


def test_tables_are_keyed_by_dim() -> None:
    store = EmbeddingStore.for_definition(DEFINITION)
    assert list(store.tables) == ["dim16", "dim32"]
    assert store.table_of(DEFINITION.slots[0]) is store.tables["dim32"]
    assert store.table_of(DEFINITION.slots[2]) is store.table_of(DEFINITION.slots[1])


def test_the_definition_sets_seed_scale_and_accumulator() -> None:
    fids, slots = np.arange(100, dtype=np.uint64), np.ones(100, np.uint16)
    stores = [
        EmbeddingStore.for_definition(definition)
        for definition in (DEFINITION, DEFINITION, DEFINITION.model_copy(update={"training": Training(seed=6)}))
    ]
    vectors = [store.tables["dim16"].lookup_or_create(fids, slots) for store in stores]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert (vectors[0] != vectors[2]).any()
    assert 0.45 < np.abs(vectors[0]).max() < 0.5
    rows = next(stores[0].tables["dim16"].rows())
    np.testing.assert_array_equal(rows.accumulators, np.full((100, 16), 0.25, np.float32))


def test_counts_and_digest_cover_every_table() -> None:
    store, other = (EmbeddingStore.for_definition(DEFINITION) for _ in range(2))
    fids, slots = np.arange(3, dtype=np.uint64), np.ones(3, np.uint16)
    for name in ("dim16", "dim32"):
        store.tables[name].lookup_or_create(fids, slots)
    assert store.num_rows == 6
    assert store.num_touched == 6
    assert store.memory_bytes == sum(table.memory_bytes for table in store.tables.values())
    for name in ("dim32", "dim16"):
        assert other.digest() != store.digest()
        other.tables[name].lookup_or_create(fids[::-1].copy(), slots)
    assert other.digest() == store.digest()


def test_a_deepfm_has_one_table() -> None:
    slots = [Slot(name="user", number=1, source="user.id"), Slot(name="item", number=2, source="item.id")]
    store = EmbeddingStore.for_definition(ModelDefinition(slots=slots, architecture=DeepFM()))
    assert list(store.tables) == ["dim16"]
