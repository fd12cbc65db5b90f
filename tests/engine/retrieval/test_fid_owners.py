from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.encoded import EncodedBatch, SlotValues
from engine.retrieval import fid_owners
from engine.retrieval.fid_owners import FidOwners


def batch(own: list[int], shared: list[list[int]]) -> EncodedBatch:
    """One id FID per row, and some of a property."""
    offsets = np.cumsum([0, *(len(fids) for fids in shared)]).astype(np.int32)
    flat = np.array([fid for fids in shared for fid in fids], np.uint64)
    ids = SlotValues(np.array(own, np.uint64), np.arange(len(own) + 1, dtype=np.int32))
    return EncodedBatch({"item": ids, "tags": SlotValues(flat, offsets)}, np.zeros((len(own), 0), np.float32), len(own))


def fids(*values: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(values, np.uint64)


def test_item_is_found_by_its_id_and_by_its_properties() -> None:
    owners = FidOwners()
    owners.write(["a", "b", "c"], batch([1, 2, 3], [[7], [7, 8], []]), ["item"])
    found = owners.items_of(fids(7, 2))
    assert (found.own, found.shared) == (["b"], ["a"])
    assert owners.items_of(fids(99)).own == owners.items_of(fids()).shared == []


def test_item_written_again_is_no_longer_found_by_its_old_properties() -> None:
    owners = FidOwners()
    owners.write(["a"], batch([1], [[7]]), ["item"])
    owners.write(["a"], batch([1], [[8]]), ["item"])
    assert owners.items_of(fids(7)).shared == []
    assert owners.items_of(fids(8)).shared == ["a"]


steps = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.integers(0, 9), st.lists(st.integers(20, 25), max_size=3)),
            max_size=4,
            unique_by=lambda p: p[0],
        ),
        st.lists(st.integers(0, 9), max_size=2),
    ),
    max_size=15,
)


@settings(deadline=None)
@given(steps=steps, asked=st.lists(st.one_of(st.integers(0, 9), st.integers(20, 25)), max_size=5))
def test_owners_after_any_changes_are_those_of_a_plain_dictionary(
    steps: list[tuple[list[tuple[int, list[int]]], list[int]]], asked: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fid_owners, "_MIN_TAIL", 8)
        owners = FidOwners()
        oracle: dict[str, tuple[int, list[int]]] = {}
        for written, forgotten in steps:
            names = [f"i{number}" for number, _ in written]
            owners.write(names, batch([n for n, _ in written], [tags for _, tags in written]), ["item"])
            oracle.update(dict(zip(names, written, strict=True)))
            for number in forgotten:
                owners.forget(f"i{number}")
                oracle.pop(f"i{number}", None)
        found = owners.items_of(np.array(asked, np.uint64))
        own = {name for name, (number, _) in oracle.items() if number in asked}
        shared = {name for name, (_, tags) in oracle.items() if set(tags) & set(asked)} - own
        assert (set(found.own), set(found.shared)) == (own, shared)
