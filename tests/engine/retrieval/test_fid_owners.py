from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.encoded import EncodedBatch, SlotValues
from engine.retrieval.fid_owners import FidOwners
from engine.retrieval.item_rows import Rows


def batch(own: list[int], shared: list[list[int]]) -> EncodedBatch:
    """One id FID per row, and some of a property."""
    offsets = np.cumsum([0, *(len(fids) for fids in shared)]).astype(np.int32)
    flat = np.array([fid for fids in shared for fid in fids], np.uint64)
    ids = SlotValues(np.array(own, np.uint64), np.arange(len(own) + 1, dtype=np.int32))
    return EncodedBatch({"item": ids, "tags": SlotValues(flat, offsets)}, np.zeros((len(own), 0), np.float32), len(own))


def fids(*values: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(values, np.uint64)


def rows(*numbers: int) -> Rows:
    return np.array(numbers, np.int32)


def found(owners: FidOwners, *asked: int) -> tuple[set[int], set[int]]:
    answer = owners.rows_of(fids(*asked))
    return set(answer.own.tolist()), set(answer.shared.tolist())


def test_item_is_found_by_its_id_and_by_its_properties() -> None:
    owners = FidOwners()
    owners.write(rows(5, 0, 2), batch([1, 2, 3], [[7], [7, 8], []]), ["item"])
    assert found(owners, 7, 2) == ({0}, {5, 0})
    assert found(owners, 99) == found(owners) == (set(), set())


def test_item_written_again_is_no_longer_found_by_its_old_properties() -> None:
    owners = FidOwners()
    owners.write(rows(3), batch([1], [[7]]), ["item"])
    owners.write(rows(3), batch([1], [[8]]), ["item"])
    assert found(owners, 7) == (set(), set())
    assert found(owners, 8) == (set(), {3})


def test_many_small_writes_keep_few_pairs_and_few_runs() -> None:
    owners = FidOwners()
    for round_ in range(2000):
        owners.write(rows(round_ % 10), batch([round_ % 10], [[20, 21, 22]]), ["item"])
    assert len(owners._runs) <= 8
    assert sum(run.fids.size for run in owners._runs) <= 4 * 10 * 4
    assert found(owners, 21) == (set(), set(range(10)))


steps = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.integers(0, 9), st.lists(st.integers(20, 25), max_size=3)),
            max_size=4,
            unique_by=lambda p: p[0],
        ),
        st.lists(st.integers(0, 12), max_size=2),
    ),
    max_size=15,
)


@settings(deadline=None)
@given(steps=steps, asked=st.lists(st.one_of(st.integers(0, 9), st.integers(20, 25)), max_size=5))
def test_owners_after_any_changes_are_those_of_a_plain_dictionary(
    steps: list[tuple[list[tuple[int, list[int]]], list[int]]], asked: list[int]
) -> None:
    owners = FidOwners()
    oracle: dict[int, list[int]] = {}
    for written, forgotten in steps:
        numbers = [number for number, _ in written]
        owners.write(rows(*numbers), batch(numbers, [tags for _, tags in written]), ["item"])
        oracle.update(dict(written))
        owners.forget(rows(*forgotten))
        for number in forgotten:
            oracle.pop(number, None)
    own = {number for number in oracle if number in asked}
    shared = {number for number, tags in oracle.items() if set(tags) & set(asked)}
    assert found(owners, *asked) == (own, shared)
