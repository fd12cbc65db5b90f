"""FIDs are XXH64, the same for ever, whatever Arrow array the ids arrive in."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given

from engine.embedding.hashing import hash_ids

GOLDEN_STRINGS = [
    ("", 0, 0xEF46DB3751D8E999),
    ("", 1, 0xD5AFBA1336A3BE4B),
    ("a", 1, 0xDEC2BC81C3CD46C6),
    ("5", 1, 0x264BAACBD8D26960),
    ("5", 7, 0x3BDB87E33C608004),
    ("user_42", 2, 0x9403270A017092E4),
    ("0123456789ab", 3, 0xCCF137435605BDFF),
    ("a sparse id of thirty-two bytes!", 4, 0x78A9FAB7060B6B27),
    ("Grüße, 世界 🌍", 65535, 0xA96918027D3364C5),
    ("x" * 100, 12, 0xB515C6B9F1C4D7DA),
]
GOLDEN_INTEGERS = [
    (0, 1, 0x514E194D4AE25FC4),
    (5, 1, 0x86B3D68897C11641),
    (5, 7, 0x161689C8EBF5D451),
    (-1, 1, 0x860507F9D741327B),
    (2**63 - 1, 2, 0xA4D2A974A5718C7F),
    (-(2**63), 2, 0x8C31A461AA88F21C),
    (314159265, 4095, 0xC81148947380A030),
]
INTEGER_TYPES = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
STRING_TYPES = [pa.utf8(), pa.large_utf8(), pa.string_view()]

slots = st.integers(0, 65_535)


def fid_of(value: str | int | None, slot: int) -> int:
    """The definition, by the reference implementation."""
    if value is None:
        return 0
    if isinstance(value, str):
        return xxhash.xxh64_intdigest(value.encode(), slot)
    return xxhash.xxh64_intdigest((value % 2**64).to_bytes(8, "little"), slot + 2**32)


@pytest.mark.parametrize(("value", "slot", "fid"), [*GOLDEN_STRINGS, *GOLDEN_INTEGERS])
def test_fid_of_a_golden_value_never_changes(value: str | int, slot: int, fid: int) -> None:
    assert hash_ids(pa.array([value]), slot).tolist() == [fid]


@given(values=st.lists(st.none() | st.text(max_size=80)), slot=slots, cut=st.integers(0, 5))
def test_strings_of_every_arrow_type_hash_like_the_reference(values: list[str | None], slot: int, cut: int) -> None:
    for kind in STRING_TYPES:
        array: pa.Array[Any] = pa.array(values, kind)[cut:]
        assert hash_ids(array, slot).tolist() == [fid_of(value, slot) for value in values[cut:]]


@given(data=st.data(), slot=slots, cut=st.integers(0, 5))
@pytest.mark.parametrize("kind", INTEGER_TYPES, ids=str)
def test_integers_of_every_width_hash_like_the_reference(kind: Any, data: st.DataObject, slot: int, cut: int) -> None:
    info = np.iinfo(kind.to_pandas_dtype())
    values = data.draw(st.lists(st.none() | st.integers(int(info.min), int(info.max))))
    array: pa.Array[Any] = pa.array(values, kind)[cut:]
    assert hash_ids(array, slot).tolist() == [fid_of(value, slot) for value in values[cut:]]


def test_booleans_hash_as_zero_and_one() -> None:
    array: pa.Array[Any] = pa.array([True, False, None, True])[1:]
    assert hash_ids(array, 3).tolist() == [fid_of(0, 3), 0, fid_of(1, 3)]


def test_nulls_of_no_type_and_empty_arrays_hash_to_zero_and_nothing() -> None:
    assert hash_ids(pa.nulls(2), 3).tolist() == [0, 0]
    assert hash_ids(pa.array([], pa.utf8()), 3).shape == (0,)


def test_a_dictionary_hashes_as_its_values() -> None:
    values = ["b", "a", None, "b"]
    assert hash_ids(pa.array(values).dictionary_encode(), 3).tolist() == [fid_of(value, 3) for value in values]


def test_the_slot_and_the_kind_of_value_are_part_of_the_fid() -> None:
    fids = {int(hash_ids(pa.array([value]), slot)[0]) for value in ("5", 5) for slot in (1, 2, 65_535)}
    assert len(fids) == 6


@pytest.mark.parametrize("array", [pa.array([0.5]), pa.array([], pa.float64()), pa.array([[1]]), pa.array([b"x"])])
def test_another_arrow_type_raises_a_type_error(array: Any) -> None:
    with pytest.raises(TypeError, match="string, integer and boolean arrays; received the Arrow format"):
        hash_ids(array, 1)


def test_what_is_no_arrow_array_raises_a_type_error() -> None:
    values: Any = ["a"]
    with pytest.raises(TypeError, match="received list"):
        hash_ids(values, 1)


@pytest.mark.parametrize("slot", [-1, 65_536])
def test_a_slot_out_of_range_raises_a_value_error(slot: int) -> None:
    with pytest.raises(ValueError, match=f"received {slot}"):
        hash_ids(pa.array(["a"]), slot)
