"""Bags of rows become one vector each, as NumPy would say it in a loop; and the gradient is the pooling's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.embedding.pooling import Pooling, pool, pool_gradient

ROWS = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
MEMBERS = np.array([0, 1, 2, -1, 2], np.int32)
SPLITS = np.array([0, 2, 2, 5], np.int64)
WEIGHTS = np.array([1, 3, 2, 2, 1], np.float32)


@pytest.mark.parametrize(
    ("pooling", "weights", "expected"),
    [
        (Pooling.SUM, None, [[4, 6], [0, 0], [10, 12]]),
        (Pooling.MEAN, None, [[2, 3], [0, 0], [10 / 3, 4]]),
        (Pooling.SQRTN, None, [[4 / 2**0.5, 6 / 2**0.5], [0, 0], [10 / 3**0.5, 12 / 3**0.5]]),
        (Pooling.SUM, WEIGHTS, [[10, 14], [0, 0], [15, 18]]),
        (Pooling.MEAN, WEIGHTS, [[2.5, 3.5], [0, 0], [3, 3.6]]),
        (Pooling.SQRTN, WEIGHTS, [[10 / 10**0.5, 14 / 10**0.5], [0, 0], [5, 6]]),
    ],
)
def test_bags_are_pooled_as_by_hand(pooling: Pooling, weights: Any, expected: list[list[float]]) -> None:
    np.testing.assert_allclose(pool(pooling, ROWS, MEMBERS, SPLITS, weights=weights), expected, rtol=1e-6)


def test_the_first_n_stand_one_after_the_other() -> None:
    pooled = pool(Pooling.FIRST_N, ROWS, MEMBERS, SPLITS, first_n=2)
    np.testing.assert_array_equal(pooled, [[[1, 2], [3, 4]], [[0, 0], [0, 0]], [[5, 6], [0, 0]]])


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("pooling", list(Pooling))
def test_the_gradient_is_the_transpose_of_the_pooling(pooling: Pooling, weights: Any) -> None:
    # Pooling is linear in the rows: <pool(rows), y> must be <rows, pool_gradient(y)> for all rows and y.
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3, 2)).astype(np.float32)
    pooled = pool(pooling, rows, MEMBERS, SPLITS, first_n=2, weights=weights)
    y = rng.normal(size=pooled.shape).astype(np.float32)
    gradient = pool_gradient(pooling, y, MEMBERS, SPLITS, 3, first_n=2, weights=weights)
    np.testing.assert_allclose((pooled * y).sum(), (rows * gradient).sum(), rtol=1e-4)


def test_an_out_array_is_filled_and_answered() -> None:
    out = np.full((3, 2), np.nan, np.float32)
    assert pool(Pooling.SUM, ROWS, MEMBERS, SPLITS, out=out) is out
    np.testing.assert_array_equal(out, [[4, 6], [0, 0], [10, 12]])


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (
            {"members": np.array([0, 1, 3, 0, 0], np.int32)},
            ValueError,
            r"members\[2\] must be -1 or a row number below 3",
        ),
        ({"splits": np.array([0, 9], np.int64)}, ValueError, "splits"),
        ({"splits": np.array([], np.int64)}, ValueError, "splits must have at least one element"),
        ({"splits": SPLITS.astype(np.int32)}, TypeError, "splits must be a NumPy array of int64, received int32"),
        ({"weights": WEIGHTS[:2].copy()}, ValueError, "weights must have one element for each of 5 members"),
        ({"rows": ROWS.astype(np.float64)}, TypeError, "rows must be a NumPy array of float32, received float64"),
        ({"out": np.empty((2, 2), np.float32)}, ValueError, r"out must have shape \(3, 2\), received \(2, 2\)"),
        ({"pooling": "median"}, ValueError, "pooling must be sum, mean, sqrtn or first_n, received median"),
        ({"pooling": Pooling.FIRST_N}, ValueError, "first_n must be at least 1"),
    ],
)
def test_a_wrong_argument_is_named(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {"pooling": Pooling.SUM, "rows": ROWS, "members": MEMBERS, "splits": SPLITS, **changed}
    with pytest.raises(error, match=message):
        pool(**arguments)
