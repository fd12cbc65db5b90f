from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.features.encoded import EncodedBatch, SlotValues
from engine.models.inputs import Block, Group, IndexArray, InputLayout
from engine.models.pooling import filled, pool_block, pool_block_gradient
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


RAGGED = (values([0, 1], []), values([], [2, 2]))
"""Of two slots: row 0 has two values in the first, row 1 one value twice in the second."""


def layout_of(pooling: str, num_slots: int = 2) -> InputLayout:
    names = ("user", "seen")[:num_slots]
    slots = [
        {"name": name, "number": number, "source": "user.history", "dim": 2, "pooling": pooling, "max_values": 3}
        for number, name in enumerate(names, 1)
    ]
    item = {"name": "item", "number": 9, "source": "item.id", "dim": 4}
    return InputLayout(ModelDefinition.parse({"slots": [*slots, item], "architecture": {"kind": "two_tower"}}))


def laid_out(pooling: str, slots: Sequence[SlotValues]) -> tuple[list[Group], dict[str, Block], IndexArray]:
    """Groups, their blocks, and members when each FID is the number of its row."""
    layout = layout_of(pooling, len(slots))
    num_rows = slots[0].offsets.size - 1
    side = EncodedBatch(dict(zip(("user", "seen"), slots, strict=False)), np.zeros((num_rows, 0), np.float32), num_rows)
    batch = layout.sparse_batch({Side.USER: side})
    return layout.groups(Side.USER), batch.sides[Side.USER].blocks, batch.values["dim2"].fids.astype(np.int32)


ROWS = np.array([[1, 2], [3, 6], [10, 10]], np.float32)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("mean", [[[2, 4], [0, 0]], [[0, 0], [10, 10]]]),
        ("sum", [[[4, 8], [0, 0]], [[0, 0], [20, 20]]]),
        ("sqrtn", [[[4 / 2**0.5, 8 / 2**0.5], [0, 0]], [[0, 0], [20 / 2**0.5, 20 / 2**0.5]]]),
    ],
)
def test_a_rows_slots_stand_side_by_side_and_empty_ones_are_zero(
    pooling: str, expected: list[list[list[float]]]
) -> None:
    [group], blocks, members = laid_out(pooling, RAGGED)
    assert pool_block(group, blocks[group.name], ROWS, members) == pytest.approx(np.array(expected, np.float32))


def test_gradient_of_a_row_is_shared_out_by_the_mean() -> None:
    [group], blocks, members = laid_out("mean", RAGGED)
    gradient = np.array([[[1, 2], [9, 9]], [[9, 9], [3, 4]]], np.float32)
    found = pool_block_gradient(group, blocks[group.name], gradient, members, num_rows=3)
    assert found.tolist() == [[0.5, 1.0], [0.5, 1.0], [3.0, 4.0]]


def test_slots_of_one_value_each_are_laid_out_as_lists_are() -> None:
    slots = (values([0], [1], [2]), values([2], [2], [0]))
    [group], blocks, members = laid_out("mean", slots)
    assert members.tolist() == [0, 2, 1, 2, 2, 0]
    assert blocks[group.name].splits.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert pool_block(group, blocks[group.name], ROWS, members).tolist() == ROWS[[[0, 2], [1, 2], [2, 0]]].tolist()


def test_nothing_at_all_pools_to_zero() -> None:
    [group], blocks, members = laid_out("mean", (values([], []), values([], [])))
    assert pool_block(group, blocks[group.name], np.zeros((0, 2), np.float32), members).tolist() == [[[0, 0]] * 2] * 2


def test_a_sequence_keeps_its_rows_apart_the_newest_last() -> None:
    groups, blocks, members = laid_out("sequence", (values([0, 1], [], [2, 2, 1]),))
    block = blocks[groups[0].name]
    pooled = pool_block(groups[0], block, ROWS, members)
    assert pooled.tolist() == [[[0, 0], [1, 2], [3, 6]], [[0, 0]] * 3, [[10, 10], [10, 10], [3, 6]]]
    assert filled(block.splits, 3).tolist() == [[False, True, True], [False] * 3, [True] * 3]
    gradient = np.arange(18, dtype=np.float32).reshape(3, 3, 2)
    found = pool_block_gradient(groups[0], block, gradient, members, num_rows=3)
    assert found.tolist() == [[2, 3], [4 + 16, 5 + 17], [12 + 14, 13 + 15]]


@given(
    st.lists(st.tuples(*(st.lists(st.integers(0, 5), max_size=3),) * 2), min_size=1, max_size=6),
    st.sampled_from(["mean", "sum", "sqrtn"]),
)
def test_pooling_is_what_a_loop_over_rows_and_slots_says(rows: list[tuple[list[int], ...]], pooling: str) -> None:
    [group], blocks, members = laid_out(pooling, [values(*(row[slot] for row in rows)) for slot in range(2)])
    table = np.arange(12, dtype=np.float32).reshape(6, 2)
    found = pool_block(group, blocks[group.name], table, members)
    power = {"mean": 1.0, "sum": 0.0, "sqrtn": 0.5}[pooling]
    for row, of_row in enumerate(rows):
        for slot, of_slot in enumerate(of_row):
            total = table[of_slot].sum(axis=0) / max(1, len(of_slot)) ** power
            assert found[row, slot] == pytest.approx(total, rel=1e-6)


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
    assert (seen.splits.tolist(), items.splits.tolist()) == ([0, 2, 2], [0, 1, 2])
    members = np.array([5, 6, 6, 7], np.int32)  # what the table says of the four values
    assert (seen.of(members).tolist(), items.of(members).tolist()) == ([5, 6], [6, 7])


def test_batch_that_is_only_looked_up_has_no_stamps() -> None:
    user = EncodedBatch({"user": values([7]), "seen": values([20])}, np.zeros((1, 0), np.float32), 1)
    batch = InputLayout(DEFINITION).sparse_batch({Side.USER: user})
    assert [len(each.seen_at_s) for each in batch.values.values()] == [0, 0]
