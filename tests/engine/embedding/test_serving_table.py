"""A replica's table holds what deltas brought, as precisely as it was asked to, and tells by its digest that it is whole."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from engine.embedding.options import TableOptions
from engine.embedding.rows import TableDelta
from engine.embedding.serving_table import ServingTable
from engine.embedding.table import EmbeddingTable
from engine.spec.serving_copy import Precision

FIDS = np.array([1, 2, 2**64 - 1], np.uint64)
SLOTS = np.ones(3, np.uint16)
VECTORS = np.array([[1, -2, 0.1], [0, 0, 0], [70000, 1e-3, 3]], np.float32)
NONE = np.empty(0, np.uint64)


def delta(deleted: np.ndarray[tuple[int], np.dtype[np.uint64]] = NONE) -> TableDelta:
    return TableDelta(FIDS, SLOTS, VECTORS, deleted)


def test_float32_vectors_come_back_to_the_bit() -> None:
    table = ServingTable(3)
    table.apply_delta(delta())
    np.testing.assert_array_equal(table.lookup(np.append(FIDS, np.uint64(9))), np.vstack([VECTORS, np.zeros(3)]))
    assert table.contains(np.array([2, 3], np.uint64)).tolist() == [True, False]
    assert len(table) == 3


def test_float16_rounds_to_nearest_and_saturates() -> None:
    table = ServingTable(3, Precision.FLOAT16)
    table.apply_delta(delta())
    expected = np.minimum(VECTORS, 65504).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(table.lookup(FIDS), expected)


def test_int8_is_off_by_at_most_half_a_scale() -> None:
    table = ServingTable(3, Precision.INT8)
    table.apply_delta(delta())
    half_a_scale = np.abs(VECTORS).max(axis=1, keepdims=True) / 127 / 2
    assert (np.abs(table.lookup(FIDS) - VECTORS) <= half_a_scale * 1.0001).all()


def test_deletes_come_before_upserts() -> None:
    table = ServingTable(3)
    table.apply_delta(delta())
    table.apply_delta(TableDelta(FIDS[:1], SLOTS[:1], VECTORS[1:2], FIDS))
    assert table.contains(FIDS).tolist() == [True, False, False]
    np.testing.assert_array_equal(table.lookup(FIDS[:1]), VECTORS[1:2])


@pytest.mark.parametrize("precision", list(Precision))
def test_the_trainer_and_a_replica_that_heard_every_delta_have_one_digest(precision: Precision) -> None:
    trainer = EmbeddingTable(TableOptions(8, digest_precision=precision))
    replica = ServingTable(8, precision)
    rng = np.random.default_rng(1)
    for round_number in range(5):
        fids = rng.integers(0, 5000, 3000, np.uint64)
        trainer.lookup_or_create(fids, np.ones(3000, np.uint16), round_number)
        trainer.apply_gradients(fids, rng.normal(0, 1, (3000, 8)).astype(np.float32), 0.1)
        trainer.erase(fids[:100])
        while trainer.num_touched:
            replica.apply_delta(trainer.export_delta(700))
        trainer.acknowledge_delta()
        assert trainer.digest() == replica.digest() == trainer.computed_digest() == replica.computed_digest()
        assert len(trainer) == len(replica)


def test_rows_walks_everything_once() -> None:
    table = ServingTable(2)
    fids = np.arange(20_000, dtype=np.uint64)
    table.upsert(fids, np.column_stack([fids, fids]).astype(np.float32))
    seen = {
        int(fid): float(vector[0])
        for part, vectors in table.rows(3000)
        for fid, vector in zip(part, vectors, strict=True)
    }
    assert seen == {fid: float(fid) for fid in range(20_000)}
    assert sum(len(part) for part, _ in table.rows(3000)) == 20_000


def test_a_reader_beside_the_writer_sees_whole_rows() -> None:
    table = ServingTable(16)
    fids = np.arange(512, dtype=np.uint64)
    table.upsert(fids, np.zeros((512, 16), np.float32))
    is_over, torn = threading.Event(), []

    def read() -> None:
        out = np.empty((512, 16), np.float32)
        while not is_over.is_set():
            table.lookup(fids, out)
            torn.extend(out[(out != out[:, :1]).any(axis=1)])

    reader = threading.Thread(target=read)
    reader.start()
    for value in range(1, 300):
        table.upsert(fids, np.full((512, 16), value, np.float32))
    is_over.set()
    reader.join()
    assert not torn


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (TableDelta(FIDS, SLOTS, VECTORS[:, :2].copy(), NONE), ValueError, r"vectors must have shape \(3, 3\)"),
        (TableDelta(FIDS, SLOTS, VECTORS * np.float32(np.nan), NONE), ValueError, "vectors must be finite"),
        (TableDelta(FIDS.astype(np.int64), SLOTS, VECTORS, NONE), TypeError, "fids must be a NumPy array of uint64"),
        (TableDelta(FIDS, SLOTS, VECTORS, NONE.astype(np.int32)), TypeError, "deleted must be a NumPy array of uint64"),
    ],
)
def test_a_wrong_delta_is_named_and_changes_nothing(changed: TableDelta, error: type[Exception], message: str) -> None:
    table = ServingTable(3)
    with pytest.raises(error, match=message):
        table.apply_delta(changed)
    assert len(table) == 0


def test_a_dim_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="dim must be 1 to 4096, received 0"):
        ServingTable(0)
