from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from engine.features.columns import column_of
from engine.features.numbers import numbers_of, times_of, vectors_of

NAN = float("nan")


def test_vector_of_another_length_or_with_a_hole_is_missing_as_a_whole() -> None:
    column = column_of([[1.0, 2.0], [1, 2], [1.0], None, [1.0, None], [1.0, 2.0, 3.0]])
    expected = [[1.0, 2.0], [1.0, 2.0], [NAN, NAN], [NAN, NAN], [NAN, NAN], [NAN, NAN]]
    np.testing.assert_array_equal(vectors_of(column, 2), expected)


@pytest.mark.parametrize("neighbour", [None, 3, "text", ["a"], {"k": 1}, [0.5, 0.5]])
def test_vector_is_the_same_whatever_its_neighbours(neighbour: object) -> None:
    np.testing.assert_array_equal(vectors_of(column_of([[1.0, 2.5], neighbour]), 2)[0], [1.0, 2.5])


def test_vectors_of_parquet_columns() -> None:
    values = pa.array([1.0, 2.0, 3.0, 4.0], pa.float32())
    fixed = pa.FixedSizeListArray.from_arrays(values, 2)
    for column in (fixed, fixed.cast(pa.list_(pa.float32())), fixed.cast(pa.large_list(pa.float32()))):
        np.testing.assert_array_equal(vectors_of(column, 2), [[1.0, 2.0], [3.0, 4.0]])
        np.testing.assert_array_equal(vectors_of(column.slice(1), 2), [[3.0, 4.0]])
    with_null = pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float64(), 2))
    np.testing.assert_array_equal(vectors_of(with_null, 2), [[1.0, 2.0], [NAN, NAN], [3.0, 4.0]])


def test_numbers_of_what_is_none() -> None:
    np.testing.assert_array_equal(numbers_of(column_of([1, None, 2.5])), [1.0, NAN, 2.5])
    np.testing.assert_array_equal(numbers_of(column_of([True, None])), [1.0, NAN])
    np.testing.assert_array_equal(numbers_of(column_of(["1"])), [NAN])
    np.testing.assert_array_equal(numbers_of(pa.array([2, 3], pa.int8()).dictionary_encode()), [2.0, 3.0])


def test_times_of_timestamps_texts_and_milliseconds() -> None:
    assert times_of(pa.array([1_500_000], pa.timestamp("us", "UTC"))).tolist() == [1500.0]
    assert times_of(column_of(["1970-01-01T00:00:01.5Z"])).tolist() == [1500.0]
    assert times_of(column_of(["1970-01-01T00:00:01.5009Z"])).tolist() == [1500.0]
    assert times_of(column_of([1500])).tolist() == [1500.0]
    np.testing.assert_array_equal(times_of(column_of(["1970-01-01 00:00:01"])), [NAN])
