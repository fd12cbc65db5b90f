from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.embedding.bag_layout import SlotGroup, lay_out
from engine.embedding.pooling import Pooling, add_column_gradient, pool_columns

GROUP = SlotGroup(
    fids=[np.array([10, 11, 12], np.uint64), np.array([20, 21], np.uint64)],
    offsets=[np.array([0, 2, 2, 3], np.int32), np.array([0, 0, 1, 2], np.int32)],
    numbers=np.array([5, 6], np.uint16),
    seen_at_s=np.array([100, 200, 300], np.uint32),
)


def test_values_of_groups_come_row_by_row_one_group_after_the_other() -> None:
    fids, slots, seen_at_s, splits = lay_out([GROUP, GROUP])
    assert fids.tolist() == [10, 11, 20, 12, 21] * 2
    assert slots.tolist() == [5, 5, 6, 5, 6] * 2
    assert seen_at_s.tolist() == [100, 100, 200, 300, 300] * 2
    assert [each.tolist() for each in splits] == [[0, 2, 2, 2, 3, 4, 5]] * 2


def test_a_batch_that_is_looked_up_has_no_times() -> None:
    fids, _, seen_at_s, _ = lay_out([replace(GROUP, seen_at_s=None)])
    assert (fids.size, seen_at_s.size) == (5, 0)
    with pytest.raises(ValueError, match="seen_at_s must be given for every group or for none"):
        lay_out([GROUP, replace(GROUP, seen_at_s=None)])


def test_nothing_is_laid_out_of_no_groups() -> None:
    fids, slots, seen_at_s, splits = lay_out([])
    assert (fids.size, slots.size, seen_at_s.size, splits) == (0, 0, 0, [])
    assert [each.dtype.name for each in (fids, slots, seen_at_s)] == ["uint64", "uint16", "uint32"]


@pytest.mark.parametrize(
    ("group", "error", "message"),
    [
        (replace(GROUP, fids=[GROUP.fids[0].astype(np.int64), GROUP.fids[1]]), TypeError, "fids must be .* uint64"),
        (replace(GROUP, offsets=[GROUP.offsets[0]]), ValueError, "fids, offsets and a number for each slot"),
        (
            replace(GROUP, seen_at_s=np.zeros(2, np.uint32)),
            ValueError,
            "seen_at_s must have one element for each of 3 rows",
        ),
        (
            replace(GROUP, offsets=[GROUP.offsets[0], GROUP.offsets[1][:-1]]),
            ValueError,
            "offsets of slot 1 must be of 3 rows",
        ),
    ],
)
def test_columns_that_do_not_fit_together_are_refused(group: SlotGroup, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lay_out([group])


def test_columns_of_a_line_are_written_and_read_where_they_are() -> None:
    rows = np.array([[1, 2], [3, 4]], np.float32)
    members, splits = np.array([1, 0, 1], np.int32), np.array([0, 1, 3], np.int64)
    columns, row_of = np.array([3, 0], np.int32), np.array([0, 0], np.int32)
    out = np.full((2, 6), 9, np.float32)
    pool_columns(Pooling.MEAN, rows, members, splits, columns, row_of, out)
    assert out.tolist() == [[2, 3, 9, 3, 4, 9]] * 2
    gradient = np.arange(12, dtype=np.float32).reshape(2, 6)
    found = np.ones((2, 2), np.float32)
    add_column_gradient(Pooling.MEAN, gradient, members, splits, columns, row_of, found)
    # slot 1 divides by two values; each line adds its own
    assert found.tolist() == [[1 + 3, 1 + 4], [1 + 3 + 12, 1 + 4 + 14]]


def test_lines_that_cannot_be_written_are_refused() -> None:
    rows = np.zeros((1, 2), np.float32)
    arguments = (np.zeros(1, np.int32), np.array([0, 1], np.int64), np.zeros(1, np.int32), None)
    out = np.zeros((1, 2), np.float32)
    out.setflags(write=False)
    with pytest.raises(ValueError, match="out must be writeable"):
        pool_columns(Pooling.SUM, rows, *arguments, out)
    with pytest.raises(ValueError, match="pooling must be sum, mean or sqrtn, received first_n"):
        pool_columns(Pooling.FIRST_N, rows, *arguments, np.zeros((1, 2), np.float32))
