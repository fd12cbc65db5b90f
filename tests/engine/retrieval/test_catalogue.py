from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieval.catalogue import Catalogue
from engine.spec.event import CatalogChange


def written(item_id: str, at_ms: int = 0, **properties: object) -> CatalogChange:
    return CatalogChange("item", item_id, dict(properties), updated_ms=at_ms)


def deleted(item_id: str) -> CatalogChange:
    return CatalogChange("item", item_id, deleted=True)


def test_item_written_again_has_the_whole_new_properties_and_its_old_age() -> None:
    catalogue = Catalogue()
    catalogue.apply([written("a", 1, colour="red", size=3), written("b", 2), written("a", 9, colour="blue")])
    assert catalogue.item_properties(["a"]) == [{"colour": "blue"}]
    assert catalogue.newest(5) == ["b", "a"]


def test_item_deleted_and_written_again_is_new() -> None:
    catalogue = Catalogue()
    catalogue.apply([written("a", 1), written("b", 2), deleted("a"), written("a", 3)])
    assert catalogue.newest(5) == ["a", "b"]


def test_batch_answers_each_item_by_its_last_change() -> None:
    touched = Catalogue().apply([written("a"), written("b"), deleted("a"), deleted("c"), written("c")])
    assert (list(touched.written), list(touched.deleted)) == (["b", "c"], ["a"])


def test_users_are_known_until_deleted() -> None:
    catalogue = Catalogue()
    catalogue.apply([CatalogChange("user", "u", {"age": 3})])
    assert (catalogue.user_properties("u"), catalogue.num_users, catalogue.num_items) == ({"age": 3}, 1, 0)
    catalogue.apply([CatalogChange("user", "u", deleted=True)])
    assert (catalogue.user_properties("u"), catalogue.num_users) == ({}, 0)


def test_sample_with_the_same_seed_is_the_same_and_avoids_what_it_must() -> None:
    catalogue = Catalogue()
    catalogue.apply([written(f"i{n}") for n in range(50)])
    first = catalogue.sample(20, np.random.default_rng(4), without={"i1", "i2"})
    assert first == catalogue.sample(20, np.random.default_rng(4), without={"i1", "i2"})
    assert len(set(first)) == len(first) > 5
    assert not {"i1", "i2"} & set(first)


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
    assert catalogue.newest(10) == sorted(oracle, key=lambda item: (oracle[item], item), reverse=True)
    assert catalogue.present("abcdef") == [item for item in "abcdef" if item in oracle]
