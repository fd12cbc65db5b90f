from __future__ import annotations

import numpy as np
import tensorflow as tf

from engine.features.encoded import EncodedBatch, SlotValues
from engine.models.inputs import InputLayout
from engine.models.pooling import mean_pool
from engine.spec.definition import ModelDefinition, Side

DEFINITION = ModelDefinition.parse(
    {
        "slots": [
            {"name": "user", "number": 1, "source": "user.id", "dim": 2},
            {"name": "item", "number": 2, "source": "item.id", "dim": 3},
            {"name": "seen", "number": 3, "source": "user.history", "dim": 3, "shares": "item"},
        ],
        "architecture": {"kind": "two_tower"},
    }
)


def values(*rows: list[int]) -> SlotValues:
    fids = np.array([fid for row in rows for fid in row], np.uint64)
    return SlotValues(fids, np.cumsum([0, *map(len, rows)], dtype=np.int32))


def test_mean_is_taken_over_a_rows_values_and_empty_rows_are_zero() -> None:
    rows = tf.constant([[1.0, 2.0], [3.0, 6.0], [10.0, 10.0]])
    # slot 0: row 0 has values 0 and 1, row 1 none; slot 1: row 0 none, row 1 value 2 twice
    pooled = mean_pool(rows, [0, 1, 2, 2], [0, 0, 3, 3], num_slots=2, num_rows=2)
    assert pooled.numpy().tolist() == [[[2.0, 4.0], [0.0, 0.0]], [[0.0, 0.0], [10.0, 10.0]]]


def test_gradient_of_a_row_is_shared_out_by_the_mean() -> None:
    rows = tf.Variable([[1.0], [3.0]])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(mean_pool(rows, [0, 1, 1], [0, 0, 1], num_slots=1, num_rows=3))
    assert tape.gradient(total, rows).numpy().tolist() == [[0.5], [1.5]]


def test_nothing_at_all_pools_to_zero() -> None:
    empty = np.empty(0, np.int32)
    pooled = mean_pool(tf.zeros((0, 4)), empty, empty, num_slots=2, num_rows=3)
    assert pooled.numpy().tolist() == np.zeros((2, 3, 4)).tolist()


def test_batch_holds_each_fid_once_per_table_with_its_slot_number() -> None:
    layout = InputLayout(DEFINITION)
    user = EncodedBatch({"user": values([7], [8]), "seen": values([20, 21], [])}, np.zeros((2, 0), np.float32), 2)
    item = EncodedBatch({"item": values([21], [22])}, np.zeros((2, 0), np.float32), 2)
    batch = layout.sparse_batch({Side.USER: user, Side.ITEM: item})
    assert batch.unique["dim3"].fids.tolist() == [20, 21, 22]
    assert batch.unique["dim3"].slots.tolist() == [2, 2, 2]  # `seen` shares the rows of `item`
    assert batch.unique["dim2"].slots.tolist() == [1, 1]
    seen, items = batch.sides[Side.USER].blocks["dim3"], batch.sides[Side.ITEM].blocks["dim3"]
    assert (seen.indices.tolist(), seen.segments.tolist()) == ([0, 1], [0, 0])
    assert (items.indices.tolist(), items.segments.tolist()) == ([1, 2], [0, 1])
