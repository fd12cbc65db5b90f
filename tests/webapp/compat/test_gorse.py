"""Gorse's calls through PyGorse, as its users make them, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.test import Client as Browser
from gorse import Gorse, GorseException

from engine.serving.requests import Ask
from engine.spec.event import Event
from engine.streams import topics
from tests.webapp.metrics_text import value_of
from tests.webapp.replica_server import Answers
from webapp.accounts.models import ApiKey, Project
from webapp.catalog.selectors import item_get
from webapp.core.log import event_log

TIME = "2026-01-31T12:00:00.000Z"


@pytest.fixture
def gorse(live_server: Any, key: tuple[ApiKey, str]) -> Gorse:
    return Gorse(f"{live_server.url}/gorse", key[1], timeout=30)


def events_of(project: Project) -> list[Event]:
    return [Event.from_bytes(record.value) for record in event_log().read(topics.events(project.slug), 0, 0)]


def refused(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(GorseException) as raised:
        call()
    return raised.value.status_code, raised.value.message


def test_it_keeps_items(gorse: Gorse, shop: Project) -> None:
    item = {
        "ItemId": "tea",
        "IsHidden": False,
        "Categories": ["drinks"],
        "Timestamp": "0001-01-01T00:00:00Z",
        "Labels": {"title": "Tea", "price": 3.5},
        "Comment": "green",
    }
    assert gorse.insert_item(item) == {"RowAffected": 1}
    found = gorse.get_item("tea")
    assert {name: found[name] for name in ("ItemId", "IsHidden", "Categories", "Labels", "Comment")} == {
        name: item[name] for name in ("ItemId", "IsHidden", "Categories", "Labels", "Comment")
    }
    gorse.update_item("tea", is_hidden=True, categories=["hot drinks"])
    kept = item_get(project=shop, item_id="tea")
    assert (kept.hidden, kept.properties["categories"], kept.properties["title"]) == (True, ["hot drinks"], "Tea")
    assert gorse.get_item("tea")["IsHidden"] is True
    gorse.update_item("tea", is_hidden=False)
    assert [one["ItemId"] for one in gorse.search_items("te")] == ["tea"]
    assert gorse.search_items("jam") == []
    assert gorse.delete_item("tea") == {"RowAffected": 1}
    assert refused(lambda: gorse.get_item("tea"))[0] == 404


def test_it_pages_through_items_and_users(gorse: Gorse, shop: Project) -> None:
    gorse.insert_users([{"UserId": f"u{number}", "Labels": {"country": "fr"}} for number in range(3)])
    first, cursor = gorse.get_users(2)
    rest, end = gorse.get_users(2, cursor)
    assert [user["UserId"] for user in first + rest] == ["u0", "u1", "u2"]
    assert (end, first[0]["Labels"]) == ("", {"country": "fr"})
    assert gorse.get_items(10) == ([], "")
    gorse.delete_user("u1")
    assert refused(lambda: gorse.get_user("u1"))[0] == 404


def test_it_takes_feedback_once(gorse: Gorse, shop: Project) -> None:
    assert gorse.insert_feedback("click", "ann", "tea", TIME, value=2) == {"RowAffected": 1}
    assert gorse.insert_feedback("click", "ann", "tea", TIME, value=2) == {"RowAffected": 0}
    later = {"FeedbackType": "click", "UserId": "bob", "ItemId": "tea", "Timestamp": TIME}
    gorse.insert_feedbacks([later, {**later, "UserId": "ann", "ItemId": "jam"}])
    assert [(event.user_id, event.item_id) for event in events_of(shop)] == [
        ("ann", "tea"),
        ("bob", "tea"),
        ("ann", "jam"),
    ]
    assert events_of(shop)[0].properties == {"value": 2.0}
    listed = gorse.list_feedbacks("click", "ann")
    assert [(one["ItemId"], one["Value"], one["Timestamp"]) for one in listed] == [("jam", 0, TIME), ("tea", 2.0, TIME)]


def test_it_recommends_from_an_offset_in_a_category_and_writes_back(
    gorse: Gorse, answers: Answers, shop: Project
) -> None:
    found = gorse.get_recommend("ann", category="drinks", n=1, offset=1, write_back_type="click")
    assert [(score.id, score.score) for score in found] == [("jam", 0.4)]
    (asked,) = answers.requests
    assert (asked.user_id, asked.k, asked.filter) == ("ann", 2, "item.categories has $category")
    assert asked.parameters == {"category": "drinks"}
    assert [(event.type, event.item_ids) for event in events_of(shop)][-1] == ("click", ("jam",))
    status, message = refused(lambda: gorse.get_recommend("ann", write_back_type="click", write_back_delay="10m"))
    assert (status, "write-back-delay is not supported" in message) == (501, True)


def test_it_is_counted_as_our_own_calls_are(gorse: Gorse, answers: Answers, shop: Project) -> None:
    before = Browser().get("/metrics").content.decode()
    gorse.get_recommend("ann", n=2)
    assert refused(lambda: gorse.get_neighbors("tea", n=501))[0] == 400
    after = Browser().get("/metrics").content.decode()
    for labels in (
        {"call": "recommend", "deployment": "main", "status": "200", "degraded": ""},
        {"call": "similar", "deployment": "", "status": "400"},
    ):
        counted = [value_of(text, "freshet_requests_total", project="shop", **labels) for text in (before, after)]
        assert counted[1] - counted[0] == 1, labels


def test_it_answers_ids_alone_to_the_older_form(gorse: Gorse, answers: Answers, key: tuple[ApiKey, str]) -> None:
    answer = requests.get(f"{gorse.entry_point}/api/recommend/ann?n=2", headers={"X-API-Key": key[1]}, timeout=30)
    assert answer.json() == ["tea", "jam"]


def test_it_recommends_to_a_session(gorse: Gorse, answers: Answers) -> None:
    click = {"FeedbackType": "click", "UserId": "?", "ItemId": "oil", "Timestamp": TIME}
    earlier = {**click, "ItemId": "salt", "Timestamp": "2026-01-31T11:00:00Z"}
    assert [one["Id"] for one in gorse.session_recommend([click, earlier], n=2)] == ["tea", "jam"]
    (asked,) = answers.requests
    assert (asked.user_id, [one.item_id for one in asked.session]) == ("", ["salt", "oil"])


def test_it_answers_neighbours(gorse: Gorse, answers: Answers) -> None:
    assert gorse.get_neighbors("oil", n=2)[0] == {"Id": "tea", "Score": 0.9}
    assert (answers.requests[0].ask, answers.requests[0].item_id) == (Ask.SIMILAR, "oil")


def test_it_answers_the_latest_items_and_its_health(gorse: Gorse, shop: Project, key: tuple[ApiKey, str]) -> None:
    for item_id in ("old", "new"):
        gorse.insert_item({"ItemId": item_id, "Categories": ["c"] if item_id == "old" else []})
    headers = {"X-API-Key": key[1]}
    newest = requests.get(f"{gorse.entry_point}/api/latest?n=5", headers=headers, timeout=30).json()
    assert [one["Id"] for one in newest] == ["new", "old"]
    of_category = requests.get(f"{gorse.entry_point}/api/latest/c", headers=headers, timeout=30).json()
    assert [one["Id"] for one in of_category] == ["old"]
    assert requests.get(f"{gorse.entry_point}/api/health/ready", timeout=30).json()["Ready"] is True


def test_it_refuses_in_plain_words(gorse: Gorse, shop: Project) -> None:
    status, message = refused(lambda: gorse.insert_item({"ItemId": "tea", "Labels": {"colour": "green"}}))
    assert (status, "tea: properties.colour" in message) == (400, True)
    assert refused(lambda: gorse.get_feedbacks(10))[0] == 501
    assert refused(lambda: gorse.delete_feedback("ann", "tea"))[0] == 501
    assert refused(lambda: Gorse(gorse.entry_point, "fk_wrong", timeout=30).get_item("tea"))[0] == 401
