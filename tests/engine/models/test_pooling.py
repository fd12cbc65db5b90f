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


def test_batch_lays_the_values_of_a_table_end_to_end_with_their_slot_numbers() -> None:
    layout = InputLayout(DEFINITION)
    user = EncodedBatch({"user": values([7], [8]), "seen": values([20, 21], [])}, np.zeros((2, 0), np.float32), 2)
    item = EncodedBatch({"item": values([21], [22])}, np.zeros((2, 0), np.float32), 2)
    stamps = {Side.USER: np.array([100, 101], np.uint32), Side.ITEM: np.array([200, 201], np.uint32)}
    batch = layout.sparse_batch({Side.USER: user, Side.ITEM: item}, stamps)
    assert batch.values["dim3"].fids.tolist() == [20, 21, 21, 22]
    assert batch.values["dim3"].slots.tolist() == [2, 2, 2, 2]  # `seen` shares the rows of `item`
    assert batch.values["dim3"].seen_at_s.tolist() == [100, 100, 200, 201]
    assert batch.values["dim2"].slots.tolist() == [1, 1]
    seen, items = batch.sides[Side.USER].blocks["dim3"], batch.sides[Side.ITEM].blocks["dim3"]
    assert (seen.segments.tolist(), items.segments.tolist()) == ([0, 0], [0, 1])
    members = np.array([5, 6, 6, 7], np.int32)  # what the table says of the four values
    assert (seen.of(members).tolist(), items.of(members).tolist()) == ([5, 6], [6, 7])


def test_batch_that_is_only_looked_up_has_no_stamps() -> None:
    user = EncodedBatch({"user": values([7]), "seen": values([20])}, np.zeros((1, 0), np.float32), 1)
    batch = InputLayout(DEFINITION).sparse_batch({Side.USER: user})
    assert [len(each.seen_at_s) for each in batch.values.values()] == [0, 0]
