from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieval.catalogue import Catalogue
from engine.retrieval.change_journal import MAX_BATCHES, MAX_ROWS, ChangeJournal
from engine.retrieval.filters.compiled import CompiledFilter, compile_filter
from engine.retrieval.filters.frame import RequestValues
from engine.spec.event import CatalogChange
from engine.spec.schema import Schema

SCHEMA = Schema.parse({"items": {"price": {"type": "float"}}, "events": {"click": {}}})
VALUES = RequestValues(0, parameters={"any": False})


def priced(item_id: str, price: float, *, hidden: bool = False) -> CatalogChange:
    return CatalogChange("item", item_id, {"price": price}, hidden=hidden)


@given(st.lists(st.lists(st.integers(0, 99), max_size=300), max_size=400), st.data())
def test_journal_tells_every_row_since_or_that_it_cannot(batches: list[list[int]], data: st.DataObject) -> None:
    journal = ChangeJournal()
    told: list[tuple[int, set[int]]] = [(0, set())]
    for batch in batches:
        journal.note(np.array(batch, np.int32))
        told.append((journal.num_changes, set(batch)))
    place = data.draw(st.integers(0, len(told) - 1))
    rows = journal.since(told[place][0])
    later = [rows for number, rows in told if number > told[place][0]]
    assert journal.num_changes == sum(map(len, batches))
    if rows is None:
        assert sum(1 for rows in later if rows) > MAX_BATCHES or sum(map(len, batches[place:])) > MAX_ROWS
    else:
        assert set(rows.tolist()) == set().union(*later)


def test_journal_forgets_what_is_long_ago() -> None:
    journal = ChangeJournal()
    for _ in range(MAX_BATCHES + 1):
        journal.note(np.array([7], np.int32))
    assert journal.since(0) is None
    assert journal.since(1) is not None
    journal.note(np.arange(MAX_ROWS + 1, dtype=np.int32))
    assert journal.since(journal.num_changes - 1) is None
    assert journal.since(journal.num_changes) is not None


def test_kept_mask_is_mended_as_the_catalogue_changes_and_grows() -> None:
    kept = compile_filter("item.price < 5 or $any", SCHEMA)
    catalogue = Catalogue()
    generator = np.random.default_rng(3)
    for number in range(60):
        ids = generator.integers(0, 100 * (number + 1), size=100)
        catalogue.apply(
            CatalogChange("item", f"i{one}", {"price": float(generator.integers(10))}, deleted=bool(one % 7 == 0))
            for one in ids
        )
        fresh = CompiledFilter(kept.checked).mask(catalogue, None, VALUES)
        living = catalogue.servable[: catalogue.num_rows]
        assert (kept.mask(catalogue, None, VALUES)[living] == fresh[living]).all()
    assert catalogue.num_rows > 2000


def test_item_may_be_answered_only_when_all_of_it_is_known() -> None:
    """Whoever keeps a mask learns of a change when it is told; until then a new item must not be servable."""
    catalogue = Catalogue()
    catalogue.apply([priced("old", 1.0), priced("hidden", 1.0)])
    seen: list[tuple[bool, bool, bool]] = []

    def changes() -> Iterator[CatalogChange]:
        for change in (priced("new", 9.0), priced("hidden", 1.0, hidden=True), priced("old", 9.0)):
            yield change
            seen.append((catalogue.serves("old"), catalogue.serves("hidden"), catalogue.serves("new")))

    before = catalogue.num_changes
    catalogue.apply(changes())
    assert seen == [(True, True, False), (True, False, False), (True, False, False)]
    assert (catalogue.serves("old"), catalogue.serves("hidden"), catalogue.serves("new")) == (True, False, True)
    changed = catalogue.changed_since(before)
    assert changed is not None
    assert set(catalogue.ids_of(changed)) == {"old", "hidden", "new"}


def test_item_written_and_hidden_or_deleted_by_one_batch_is_not_answered() -> None:
    catalogue = Catalogue()
    catalogue.apply([priced("a", 1.0), priced("a", 1.0, hidden=True), priced("b", 1.0), priced("b", 1.0)])
    catalogue.apply([priced("c", 1.0), CatalogChange("item", "c", deleted=True)])
    assert [catalogue.serves(one) for one in "abc"] == [False, True, False]
    assert catalogue.servable.sum() == 1
