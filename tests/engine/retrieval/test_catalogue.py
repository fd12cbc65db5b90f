from __future__ import annotations

import numpy as np
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieval.allowed import RequestAllowed
from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.catalogue_sources import NewestItems
from engine.retrieval.item_rows import QUARANTINE_S
from engine.spec.event import CatalogChange


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def written(item_id: str, at_ms: int = 0, *, hidden: bool = False, **properties: object) -> CatalogChange:
    return CatalogChange("item", item_id, dict(properties), updated_ms=at_ms, hidden=hidden)


def deleted(item_id: str) -> CatalogChange:
    return CatalogChange("item", item_id, deleted=True)


def newest(catalogue: Catalogue) -> list[str]:
    found = NewestItems(catalogue).retrieve(Asker("-", {}, {}, ()), 10, RequestAllowed(catalogue, []))
    return catalogue.ids_of(found.rows)


def test_item_written_again_has_the_whole_new_properties_and_its_old_age() -> None:
    catalogue = Catalogue()
    catalogue.apply([written("a", 1, colour="red", size=3), written("b", 2), written("a", 9, colour="blue")])
    assert catalogue.item_properties(["a"]) == [{"colour": "blue"}]
    assert newest(catalogue) == ["b", "a"]


def test_item_deleted_and_written_again_is_new() -> None:
    catalogue = Catalogue()
    catalogue.apply([written("a", 1), written("b", 2), deleted("a"), written("a", 3)])
    assert newest(catalogue) == ["a", "b"]


def test_batch_answers_each_item_by_its_last_change() -> None:
    touched = Catalogue().apply([written("a"), written("b"), deleted("a"), deleted("c"), written("c")])
    assert (list(touched.written), list(touched.deleted)) == (["b", "c"], ["a"])


def test_users_are_known_until_deleted() -> None:
    catalogue = Catalogue()
    catalogue.apply([CatalogChange("user", "u", {"age": 3})])
    assert (catalogue.user_properties("u"), catalogue.num_users, catalogue.num_items) == ({"age": 3}, 1, 0)
    catalogue.apply([CatalogChange("user", "u", deleted=True)])
    assert (catalogue.user_properties("u"), catalogue.num_users) == ({}, 0)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef"), st.integers(0, 9)), max_size=50))
def test_catalogue_after_any_changes_holds_what_a_plain_dictionary_would(steps: list[tuple[bool, str, int]]) -> None:
    catalogue = Catalogue()
    oracle: dict[str, int] = {}
    for delete, item_id, at_ms in steps:
        catalogue.apply([deleted(item_id) if delete else written(item_id, at_ms)])
        if delete:
            oracle.pop(item_id, None)
        else:
            oracle.setdefault(item_id, at_ms)
    assert sorted(catalogue.all_ids()) == sorted(oracle)
    assert [oracle[item] for item in newest(catalogue)] == sorted(oracle.values(), reverse=True)
    assert catalogue.present("abcdef") == [item for item in "abcdef" if item in oracle]


def test_hidden_item_exists_and_is_not_answered() -> None:
    catalogue = Catalogue()
    catalogue.apply([written("a", 1, size=3), written("b", 2), written("a", 3, hidden=True, size=3)])
    assert (catalogue.has("a"), catalogue.serves("a"), catalogue.num_items) == (True, False, 2)
    assert catalogue.item_properties(["a"]) == [{"size": 3}]
    assert newest(catalogue) == ["b"]
    assert catalogue.servable[catalogue.rows_of(["a", "b"])].tolist() == [False, True]


def test_item_no_longer_hidden_is_as_old_as_it_was() -> None:
    catalogue = Catalogue()
    catalogue.apply([written("a", 1), written("b", 2), written("a", 3, hidden=True), written("a", 4)])
    assert newest(catalogue) == ["b", "a"]
    assert catalogue.serves("a")


def test_row_of_a_deleted_item_is_given_away_after_the_quarantine_only() -> None:
    clock = Clock()
    catalogue = Catalogue(clock)
    row = catalogue.apply([written("a")]).written_rows[0]
    assert catalogue.apply([deleted("a")]).deleted_rows.tolist() == [row]
    clock.now_s = QUARANTINE_S - 0.01
    assert catalogue.apply([written("b")]).written_rows[0] != row
    assert catalogue.ids_of(np.array([row], np.int32)) == ["a"]
    assert not catalogue.servable[row]
    clock.now_s = QUARANTINE_S
    assert catalogue.apply([written("c", size=1)]).written_rows[0] == row
    assert catalogue.ids_of(np.array([row], np.int32)) == ["c"]
    assert catalogue.properties_of_rows(np.array([row, -1], np.int32)) == [{"size": 1}, {}]


def test_item_deleted_and_written_by_one_batch_changes_its_row() -> None:
    catalogue = Catalogue()
    before = catalogue.apply([written("a")]).written_rows
    touched = catalogue.apply([deleted("a"), written("a")])
    assert touched.deleted_rows.tolist() == before.tolist()
    assert touched.written_rows.tolist() == [catalogue.row_of("a")] != before.tolist()
    assert (list(touched.written), list(touched.deleted)) == (["a"], [])


def test_arrays_held_while_the_catalogue_grows_stay_as_long_as_they_were() -> None:
    catalogue = Catalogue()
    catalogue.apply([written("a")])
    held, num_rows = catalogue.servable, catalogue.num_rows
    catalogue.apply(written(f"i{n}") for n in range(5000))
    assert held[:num_rows].tolist() == [True]
    assert catalogue.servable[: catalogue.num_rows].sum() == 5001


Step = tuple[str, str, int]
steps_of_items = st.lists(
    st.tuples(st.sampled_from(["write", "hide", "delete"]), st.sampled_from("abcdefgh"), st.integers(0, 70)),
    max_size=60,
)


@given(st.lists(steps_of_items, max_size=6))
def test_rows_after_any_changes_are_what_a_plain_dictionary_would_say(batches: list[list[Step]]) -> None:
    clock = Clock()
    catalogue = Catalogue(clock)
    oracle: dict[str, tuple[bool, int]] = {}
    row_of: dict[str, int] = {}
    freed_at: dict[int, float] = {}
    for batch in batches:
        changes = []
        for number, (what, item_id, passed_s) in enumerate(batch):
            if what == "delete":
                oracle.pop(item_id, None)
                changes.append(deleted(item_id))
            else:
                oracle[item_id] = (what == "hide", number)
                changes.append(written(item_id, hidden=what == "hide", number=number))
            clock.now_s += passed_s / max(1, len(batch))
        touched = catalogue.apply(changes)
        freed_at |= dict.fromkeys(touched.deleted_rows.tolist(), clock.now_s)
        for item_id, row in zip(touched.written, touched.written_rows.tolist(), strict=True):
            if row != row_of.get(item_id, -1) and row in freed_at and row not in touched.deleted_rows:
                assert clock.now_s - freed_at[row] >= QUARANTINE_S
        row_of = {item_id: catalogue.row_of(item_id) for item_id in oracle}
        assert sorted(catalogue.all_ids()) == sorted(oracle)
        assert all(0 <= row < catalogue.num_rows for row in row_of.values())
        assert len(set(row_of.values())) == len(row_of)
        rows = catalogue.rows_of(row_of)
        assert rows.tolist() == list(row_of.values())
        assert catalogue.ids_of(rows) == list(row_of)
        assert [each["number"] for each in catalogue.properties_of_rows(rows)] == [n for _, n in oracle.values()]
        servable = catalogue.servable[: catalogue.num_rows]
        assert set(catalogue.ids_of(np.flatnonzero(servable).astype(np.int32))) == {
            item_id for item_id, (hidden, _) in oracle.items() if not hidden
        }
        assert catalogue.id_hashes[rows].tolist() == [xxhash.xxh64_intdigest(one.encode()) for one in row_of]
