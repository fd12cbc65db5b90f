"""Vectors in bytes: as near to the floats as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.embedding.row_scan import RowScan, whole_blocks


@given(st.integers(1, 70), st.integers(1, 90), st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1.0, 1e4]))
def test_products_are_as_near_as_they_say(dim: int, num_rows: int, seed: int, size: float) -> None:
    random = np.random.default_rng(seed)
    scan = RowScan.zeros(whole_blocks(num_rows), dim)
    rows = np.flatnonzero(random.random(num_rows) < 0.7).astype(np.int32)
    vectors = np.zeros((num_rows, dim), np.float32)
    vectors[rows] = random.normal(size=(rows.size, dim)) * size
    scan.write(rows, vectors[rows])
    user = random.normal(size=dim).astype(np.float32)
    products, off = scan.products(user, num_rows)
    assert products.shape == (num_rows,)
    assert np.abs(products - vectors.astype(np.float64) @ user.astype(np.float64)).max() <= off
    grown = scan.grown(whole_blocks(2 * num_rows), dim)
    assert grown.products(user, num_rows)[0].tolist() == products.tolist()


def test_what_is_known_to_be_off_is_little() -> None:
    """A hundredth of unit vectors' products, so that a second look at few rows is enough."""
    random = np.random.default_rng(1)
    vectors = random.normal(size=(1024, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scan = RowScan.zeros(1024, 32)
    scan.write(np.arange(1024, dtype=np.int32), vectors)
    assert scan.products(vectors[0], 1024)[1] < 0.02


@pytest.mark.parametrize(
    ("rows", "vectors", "said"),
    [([16], [[1.0]], "rows must be 0 to 16, received 16"), ([-1], [[1.0]], "received -1"), ([0, 1], [[1.0]], "vectors must have shape")],
)  # fmt: skip
def test_rows_that_are_not_there_are_refused(rows: list[int], vectors: list[list[float]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RowScan.zeros(16, 1).write(np.array(rows, np.int32), np.array(vectors, np.float32))
