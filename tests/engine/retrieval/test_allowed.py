from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieval import allowed as module
from engine.retrieval.allowed import NotingAllowed, RequestAllowed, Rule, none_of, not_shown
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.item_rows import id_hash
from engine.retrieval.source import Found, allowed_first
from engine.spec.event import CatalogChange

ITEMS = tuple(f"i{number}" for number in range(8))


def catalogue(hidden: tuple[str, ...] = (), deleted: tuple[str, ...] = ()) -> Catalogue:
    made = Catalogue()
    made.apply([CatalogChange("item", item_id, {}, hidden=item_id in hidden, updated_ms=1) for item_id in ITEMS])
    made.apply([CatalogChange("item", item_id, deleted=True, updated_ms=2) for item_id in deleted])
    return made


def rows(made: Catalogue, *item_ids: str) -> npt.NDArray[np.int32]:
    return made.rows_of(item_ids)


def test_hidden_deleted_excluded_and_shown_items_are_not_allowed() -> None:
    made = catalogue(hidden=("i0",), deleted=("i1",))
    asked = np.arange(len(ITEMS), dtype=np.int32)
    rules = [
        none_of("excluded", made, rows(made, "i2", "nowhere")),
        Rule("shown", not_shown(made, [id_hash("i3"), id_hash("elsewhere")])),
    ]
    own = RequestAllowed(made, rules)
    assert own.keep(asked).tolist() == [False] * 4 + [True] * 4
    assert own.mask().tolist() == own.keep(asked).tolist()


def test_rules_are_asked_of_the_rows_alone_in_a_big_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FEW_ROWS", 4)
    made, asked = catalogue(), []

    def holds(of: Any) -> Any:
        asked.append(of)
        return np.ones(made.num_rows if of is None else of.size, np.bool_)

    own = RequestAllowed(made, [Rule("noted", holds)])
    assert own.keep(rows(made, "i1", "i2")).all()
    assert [None if of is None else of.tolist() for of in asked] == [[1, 2]]
    own.mask()
    own.mask()
    # what is known of all rows is not asked again
    assert own.keep(rows(made, "i3")).all()
    assert len(asked) == 2


def test_rules_whose_answers_are_kept_are_asked_of_the_whole_of_a_big_catalogue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_FEW_ROWS", 4)
    made = catalogue(hidden=("i0",))

    def never(of: Any) -> Any:
        raise AssertionError(f"asked of {of}")

    kept = np.array([True] * 5 + [False] * 3)
    rules = [Rule("filter", never, kept=lambda: kept), none_of("seen", made, rows(made, "i1", "i7"))]
    assert (
        RequestAllowed(made, rules).keep(np.arange(8, dtype=np.int32)).tolist()
        == [False] * 2 + [True] * 3 + [False] * 3
    )
    assert kept.tolist() == [True] * 5 + [False] * 3
    # what turns out not to be kept is worked out
    asked = Rule("filter", lambda of: kept if of is None else kept[of], kept=lambda: None)
    assert RequestAllowed(made, [asked]).mask().tolist() == [False] + [True] * 4 + [False] * 3


def test_an_item_that_came_after_the_mask_was_made_is_judged_by_itself() -> None:
    made = catalogue()
    own = RequestAllowed(made, [none_of("excluded", made, rows(made, "i2"))])
    own.mask()
    made.apply([CatalogChange("item", "new", {}, updated_ms=3), CatalogChange("item", "out", {}, hidden=True)])
    assert own.keep(rows(made, "i1", "i2", "new", "out")).tolist() == [True, False, True, False]


@given(st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)))
def test_rows_and_whole_catalogue_say_the_same(hidden: set[int], excluded: set[int], shown: set[int]) -> None:
    made = catalogue(hidden=tuple(ITEMS[number] for number in hidden))
    rules = [
        none_of("excluded", made, np.array(sorted(excluded), np.int32)),
        Rule("shown", not_shown(made, [id_hash(ITEMS[number]) for number in shown])),
    ]
    expected = [number not in hidden | excluded | shown for number in range(8)]
    everything = np.arange(8, dtype=np.int32)
    assert RequestAllowed(made, rules).mask().tolist() == expected
    assert RequestAllowed(made, rules)._kept(everything).tolist() == expected
    assert NotingAllowed(RequestAllowed(made, rules)).keep(everything).tolist() == expected


def test_noted_is_the_first_rule_that_a_row_breaks() -> None:
    made = catalogue(hidden=("i0",))
    own = NotingAllowed(
        RequestAllowed(
            made,
            [
                none_of("excluded", made, rows(made, "i0", "i1")),
                none_of("seen", made, rows(made, "i1", "i2")),
            ],
        )
    )
    own.keep(rows(made, "i0", "i1", "i2", "i3"))
    assert own.broken == {0: "not_servable", 1: "excluded", 2: "seen"}


def test_first_allowed_keeps_the_order_of_what_was_found() -> None:
    made = catalogue(hidden=("i5",))
    found = Found(rows(made, "i7", "i5", "i1", "i0"), np.array([4, 3, 2, 1], np.float32))
    own = allowed_first(found, 2, RequestAllowed(made, []))
    assert (made.ids_of(own.rows), own.scores.tolist()) == (["i7", "i1"], [4.0, 2.0])
    assert not len(allowed_first(found, 0, RequestAllowed(made, [])))
