from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from engine.features.columns import column_of
from engine.features.crosses import MAX_COMBINATIONS, cross
from engine.features.ids import ids_of


def hash_of(value: str | int) -> bytes:
    """The documented hash of a value in a cross, by an independent implementation: slot number 0."""
    if isinstance(value, str):
        return struct.pack("<Q", xxhash.xxh64_intdigest(value.encode(), seed=0))
    return struct.pack("<Q", xxhash.xxh64_intdigest(struct.pack("<q", value), seed=2**32))


def fid_of(slot: int, *values: str | int) -> int:
    return xxhash.xxh64_intdigest(b"".join(map(hash_of, values)), seed=slot)


def rows_of(*columns: Sequence[object], slot: int = 9, max_values: int = 1024) -> list[list[int]]:
    crossed = cross([column_of(each) for each in columns])
    values = ids_of(crossed, slot, max_values, keep_first=True)
    return [values.fids[a:b].tolist() for a, b in zip(values.offsets[:-1], values.offsets[1:], strict=True)]


def test_pair_of_values_is_an_id_of_its_own() -> None:
    assert rows_of(["u", "v"], [1, 2]) == [[fid_of(9, "u", 1)], [fid_of(9, "v", 2)]]
    assert fid_of(9, "u", 1) != fid_of(9, 1, "u")


def test_row_without_one_of_the_values_has_no_combination() -> None:
    assert rows_of(["u", None, "", "v"], ["a", "b", "c", None]) == [[fid_of(9, "u", "a")], [], [], []]


def test_lists_are_combined_value_by_value_the_last_source_fastest() -> None:
    expected = [fid_of(9, *pair) for pair in itertools.product(["x", "y"], ["a", "b", "c"])]
    assert rows_of([["x", "y"]], [["a", "b", "c"]]) == [expected]
    assert rows_of([["x", "y"]], [["a", "b", "c"]], max_values=2) == [expected[:2]]


def test_combinations_of_a_row_are_bounded() -> None:
    many = [str(number) for number in range(100)]
    assert [len(row) for row in rows_of([many], [many])] == [MAX_COMBINATIONS]


def test_no_rows_at_all_and_columns_of_nulls() -> None:
    assert rows_of([], []) == []
    assert cross([pa.nulls(3), column_of(["a", "b", "c"])]).to_pylist() == [[], [], []]


VALUE = st.none() | st.sampled_from(["", "a", "b"]) | st.integers(0, 2) | st.lists(st.sampled_from("ab"), max_size=3)


@given(st.lists(st.tuples(VALUE, VALUE, VALUE), max_size=6))
def test_cross_of_three_equals_a_product_in_python(rows: list[tuple[object, object, object]]) -> None:
    def usable(value: object) -> list[str | int]:
        values = value if isinstance(value, list) else [value]
        return [each for each in values if isinstance(each, int | str) and each != ""]

    expected = [[fid_of(9, *combination) for combination in itertools.product(*map(usable, row))] for row in rows]
    assert rows_of(*([list(column) for column in zip(*rows, strict=True)] or [[], [], []])) == expected


@pytest.mark.parametrize("place", range(3))
def test_order_and_place_of_a_value_matter(place: int) -> None:
    values: list[list[object]] = [["a"], ["b"], ["c"]]
    changed = [each if index != place else ["z"] for index, each in enumerate(values)]
    assert rows_of(*values) != rows_of(*changed)
    assert rows_of(*values) != rows_of(*(values[1:] + values[:1]))
