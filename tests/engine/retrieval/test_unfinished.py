from __future__ import annotations

import threading

import pytest

from engine.errors import InvalidDocument
from engine.retrieval.allowed import RequestAllowed
from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.item_numbers import ItemNumbers
from engine.retrieval.unfinished import UnfinishedItems
from engine.retrieval.user_actions import UserActions
from engine.spec.candidates import Unfinished
from engine.spec.event import CatalogChange
from engine.spec.schema import Schema

DAY_MS = 86_400_000
RULE = Unfinished(started=["play"], finished=["end", "dislike"], window_s=10 * 86_400)
USER = Asker("u", {}, {}, (), time_ms=20 * DAY_MS)


@pytest.fixture
def catalogue() -> Catalogue:
    catalogue = Catalogue()
    catalogue.apply(CatalogChange("item", item_id) for item_id in "abcdef")
    return catalogue


@pytest.fixture
def actions() -> UserActions:
    return UserActions(ItemNumbers(), threading.Lock(), max_items=20, max_users=10)


@pytest.fixture
def source(catalogue: Catalogue, actions: UserActions) -> UnfinishedItems:
    source = UnfinishedItems(catalogue, [actions], clock=lambda: 20 * 86_400)
    source.configure(RULE)
    return source


def found(source: UnfinishedItems, catalogue: Catalogue, asker: Asker = USER, num_items: int = 10) -> list[str]:
    return catalogue.ids_of(source.retrieve(asker, num_items, RequestAllowed(catalogue, [])).rows)


def test_what_was_started_and_not_finished_comes_back_the_newest_first(
    source: UnfinishedItems, catalogue: Catalogue, actions: UserActions
) -> None:
    for item_id, day, event_type in (
        ("a", 12, "play"),
        ("b", 13, "play"),
        ("b", 14, "end"),
        ("c", 15, "end"),
        ("c", 16, "play"),
        ("d", 5, "play"),
        ("e", 17, "like"),
        ("gone", 18, "play"),
        ("f", 19, "play"),
        ("f", 19, "dislike"),
    ):
        actions.record("u", item_id, day * DAY_MS, event_type)
    # b is finished, c was started anew, d too long ago, e never, f finished in the same moment, gone is not in the catalogue
    assert found(source, catalogue) == ["c", "a"]
    assert found(source, catalogue, num_items=1) == ["c"]
    catalogue.apply([CatalogChange("item", "c", hidden=True)])
    assert found(source, catalogue) == ["a"]
    assert found(source, catalogue, Asker("other", {}, {}, ())) == []


def test_what_the_request_says_was_done_just_now_counts(
    source: UnfinishedItems, catalogue: Catalogue, actions: UserActions
) -> None:
    actions.record("u", "a", 19 * DAY_MS, "play")
    now = Asker("u", {}, {}, ("b", "a"), ("play", "end"), (20 * DAY_MS, 20 * DAY_MS), time_ms=20 * DAY_MS)
    assert found(source, catalogue, now) == ["b"]


def test_nothing_comes_back_where_the_schema_does_not_say_what_is_unfinished(
    source: UnfinishedItems, catalogue: Catalogue, actions: UserActions
) -> None:
    actions.record("u", "a", 19 * DAY_MS, "play")
    source.configure(None)
    assert found(source, catalogue) == []


def test_rule_must_name_declared_types_and_none_twice() -> None:
    schema: dict[str, object] = {"events": {"play": {}, "end": {}}}
    Schema.parse({**schema, "candidates": {"unfinished": {"started": ["play"], "finished": ["end"]}}})
    for wrong in ({"started": ["play"], "finished": ["stop"]}, {"started": ["play"], "finished": ["play"]}):
        with pytest.raises(InvalidDocument, match=r"unfinished|must not share"):
            Schema.parse({**schema, "candidates": {"unfinished": wrong}})
