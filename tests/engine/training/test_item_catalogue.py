from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.training.item_catalogue import ItemCatalogue


def test_item_keeps_its_row_and_its_newest_properties() -> None:
    catalogue = ItemCatalogue()
    assert catalogue.note([("a", {"x": 1}), ("b", {}), ("a", {"x": 2})]).tolist() == [0, 1, 0]
    assert catalogue.properties([0]) == [{"x": 2}]
    assert catalogue.ids([1, 0]) == ["b", "a"]
    assert catalogue.row_of("c") is None
    assert catalogue.known_rows(["c", "b"]).tolist() == [1]


def test_changed_rows_are_told_once() -> None:
    catalogue = ItemCatalogue()
    catalogue.note([("a", {"x": 1}), ("b", {})])
    assert catalogue.take_changed().tolist() == [0, 1]
    catalogue.note([("a", {"x": 1}), ("b", {"y": 1})])
    assert catalogue.take_changed().tolist() == [1]
    assert catalogue.take_changed().tolist() == []


def test_full_catalogue_drops_the_item_noted_longest_ago() -> None:
    catalogue = ItemCatalogue(capacity=2)
    catalogue.note([("a", {}), ("b", {}), ("a", {})])
    assert catalogue.note([("c", {})]).tolist() == [1]
    assert (catalogue.row_of("b"), catalogue.row_of("a"), len(catalogue)) == (None, 0, 2)
    assert (catalogue.take_reused(), catalogue.take_reused()) == ([1], [])


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 2)), max_size=40))
def test_restored_catalogue_goes_on_as_the_original(notes: list[tuple[str, int]]) -> None:
    items = [(item_id, {"x": value}) for item_id, value in notes]
    catalogue = ItemCatalogue(capacity=3)
    catalogue.note(items[: len(items) // 2])
    restored = ItemCatalogue.from_arrow(catalogue.to_arrow(), capacity=3)
    for each in (catalogue, restored):
        each.note(items[len(items) // 2 :])
    assert restored.to_arrow().equals(catalogue.to_arrow())


def test_capacity_must_be_positive() -> None:
    with pytest.raises(ValueError, match="received 0"):
        ItemCatalogue(0)
