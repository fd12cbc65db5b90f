"""What the C++ core of a request is given is checked before any memory is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine_cc
from engine.embedding.neighbour_scores import NeighbourRule, Neighbours, best_neighbours
from engine.embedding.row_merge import merge_rows
from engine.embedding.row_scan import RowScan

RULE = NeighbourRule(1.0, 0.0, 0.5, 0.8, 20)


def neighbours(num: int = 3, **other: Any) -> Neighbours:
    arrays = Neighbours(
        np.zeros((num, 2), np.int32),
        np.ones((num, 2), np.float32),
        np.full(num, 2, np.int32),
        np.ones(num, np.float32),
        np.ones(num, np.bool_),
    )
    return arrays._replace(**other)


@pytest.mark.parametrize(
    ("given", "history", "said"),
    [
        (neighbours(), [3], "history"),
        (neighbours(used=np.zeros(2, np.int32)), [0], "used"),
        (neighbours(is_alive=np.ones(4, np.bool_)), [0], "is_alive"),
        (neighbours(weights=np.ones((3, 3), np.float32)), [0], "weights"),
    ],
)
def test_neighbours_that_do_not_fit_are_refused(given: Neighbours, history: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        best_neighbours(given, np.array(history, np.int64), RULE, np.arange(3, dtype=np.int32), None, 5)


def test_cells_that_name_nobody_or_are_more_than_there_are_say_nothing() -> None:
    odd = neighbours(
        targets=np.array([[1, 2**31 - 1], [-1, 7], [0, 0]], np.int32), used=np.array([99, -1, 2], np.int32)
    )
    rows, scores = best_neighbours(odd, np.array([0, -1], np.int64), RULE, np.arange(3, dtype=np.int32), None, 5)
    assert rows.tolist() == [1]
    assert scores.tolist() == pytest.approx([0.8])


def test_rows_below_zero_are_not_merged() -> None:
    assert [part.tolist() for part in merge_rows([np.array([4, 4], np.int32), np.array([1, 4], np.int32)])] == [
        [4, 1],
        [0, 1],
    ]
    with pytest.raises(ValueError, match="rows"):
        merge_rows([np.array([1, -1], np.int32)])
    with pytest.raises(TypeError, match="rows"):
        merge_rows([np.array([1])])


def test_more_rows_than_a_scan_has_are_refused() -> None:
    scan, user = RowScan.zeros(16, 4), np.ones(4, np.float32)
    with pytest.raises(ValueError, match="present"):
        scan.best(np.zeros((17, 4), np.float32), np.ones(17, np.bool_), None, user, 3)
    with pytest.raises(ValueError, match="vectors"):
        scan.best(np.zeros((15, 4), np.float32), np.ones(16, np.bool_), None, user, 3)


def test_a_row_is_of_as_many_slots_and_numbers_as_were_said() -> None:
    encoder = engine_cc.RowEncoder([(1, 2, False)], 1)
    dense = np.zeros(1, np.float32)
    for values in ([], ["a", "b"]):
        with pytest.raises(ValueError, match="values"):
            encoder.encode(values, dense)
    with pytest.raises(ValueError, match="dense"):
        encoder.encode(["a"], np.zeros(2, np.float32))
    assert encoder.encode([{"a": 1}], dense) is None
    with pytest.raises(UnicodeEncodeError):
        encoder.encode(["\ud800"], dense)
    for slot in ((-1, 2, False), (1, 0, False), (65_536, 1, True)):
        with pytest.raises(ValueError, match="must be"):
            engine_cc.RowEncoder([slot], 0)
