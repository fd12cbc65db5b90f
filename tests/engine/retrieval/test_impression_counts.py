from __future__ import annotations

import numpy as np

from engine.retrieval.catalogue import Catalogue
from engine.retrieval.impression_counts import ImpressionCounts
from engine.spec.event import CatalogChange


def test_counts_follow_items_as_they_come_and_go() -> None:
    now_s = 0.0
    catalogue = Catalogue(clock=lambda: now_s)
    counts = ImpressionCounts(catalogue)

    def change(item_id: str, *, deleted: bool = False) -> None:
        counts.note_catalogue(catalogue.apply([CatalogChange("item", item_id, deleted=deleted)]))

    change("a")
    counts.note(["a", "late", "a"])
    assert (counts.total, counts.of(catalogue.rows_of(["a"])).tolist()) == (3, [2.0])
    change("late")
    counts.note(["late"])
    assert counts.of(catalogue.rows_of(["late", "a"])).tolist() == [2.0, 2.0]
    change("a", deleted=True)
    assert (counts.total, counts.copied()()) == (2, {"late": 2})
    now_s = 100.0
    change("heir of the row")
    assert counts.of(catalogue.rows_of(["heir of the row"])).tolist() == [0.0]


def test_counts_are_restored_before_the_catalogue_is_read() -> None:
    catalogue = Catalogue()
    counts = ImpressionCounts(catalogue)
    counts.restore({"a": 7, "b": 2})
    assert (counts.total, counts.copied()()) == (9, {"a": 7, "b": 2})
    counts.note_catalogue(catalogue.apply(CatalogChange("item", f"i{number}") for number in range(3000)))
    counts.note_catalogue(catalogue.apply([CatalogChange("item", "a")]))
    assert counts.of(np.array([3000, 5], np.int32)).tolist() == [7.0, 0.0]
    assert (counts.total, counts.copied()()) == (9, {"a": 7, "b": 2})
