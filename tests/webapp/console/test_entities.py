"""Users and items: found among many, looked at, made, changed."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.catalog import entity_search
from webapp.catalog.entity_search import EntityQuery, entities_found
from webapp.catalog.models import Item, User
from webapp.catalog.services import events_ingest, item_put, items_put, user_put
from webapp.core.paging import key_of
from webapp.registry.services import schema_publish

SCHEMA: dict[str, Any] = {
    "users": {"country": {"type": "string"}},
    "items": {
        "title": {"type": "string", "required": True},
        "price": {"type": "float"},
        "tags": {"type": "string_list"},
        "in_print": {"type": "boolean"},
        "released": {"type": "timestamp"},
    },
    "events": {"impression": {"role": "impression"}, "click": {}},
}


@pytest.fixture(autouse=True)
def books(project: Project) -> None:
    schema_publish(project=project, document=SCHEMA)
    rows = [
        {"id": f"b{number:03}", "properties": {"title": f"Volume {number}", "price": float(number % 10), "tags": tags}}
        for number, tags in zip(range(120), itertools.cycle((["old"], ["new", "red"])), strict=False)
    ]
    items_put(project=project, rows=rows)


def found(project: Project, cursor: str | None = None, limit: int = 50, **asked: Any) -> list[str]:
    page = entities_found(project=project, kind="item", query=EntityQuery(**asked), cursor=cursor, limit=limit)
    return [row.external_id for row in page.rows]


def test_it_finds_by_the_beginning_of_an_id_and_by_words_of_properties(project: Project) -> None:
    item_put(project=project, item_id="Zen", properties={"title": "b01 and other Stories"})
    assert set(found(project, text="b01")) == {*(f"b01{digit}" for digit in range(10)), "Zen"}
    assert found(project, text="STOR oth") == ["Zen"]
    assert found(project, text="volume 77") == ["b077"]
    assert found(project, text="zzz% _") == []
    assert found(project, text="'; drop & | !") == []


def test_it_finds_by_a_value_by_age_and_by_being_hidden(project: Project) -> None:
    item_put(project=project, item_id="b007", properties={"title": "Volume 7", "price": 7.0}, hidden=True)
    assert found(project, values={"price": 7.0})[:2] == ["b007", "b017"]
    assert len(found(project, values={"tags": ["red"]}, limit=200)) == 59
    assert found(project, hidden=True) == ["b007"]
    assert found(project, hidden=True, values={"price": 1.0}) == []
    tomorrow = timezone.now() + timedelta(days=1)
    assert found(project, created_since=tomorrow) == []
    Item.objects.filter(project=project, external_id="b009").update(created_at=tomorrow)
    assert found(project, created_since=tomorrow) == ["b009"]


@pytest.mark.parametrize("few", [5_000, 3])
@pytest.mark.parametrize("text", ["", "b", "volume"])
def test_pages_together_have_each_row_once_however_it_is_looked_for(
    project: Project, monkeypatch: pytest.MonkeyPatch, few: int, text: str
) -> None:
    """By the index of a rare value, or by walking along the ids in small pieces."""
    monkeypatch.setattr(entity_search, "FEW", few)
    monkeypatch.setattr(entity_search, "_WALKED_FIRST", 5)
    monkeypatch.setattr(entity_search, "_WALKED_AT_ONCE", 7)
    query, rows, cursor = EntityQuery(text=text, values={"price": 3.0}), list[str](), None
    for _ in range(200):
        page = entities_found(project=project, kind="item", query=query, cursor=cursor, limit=5)
        rows += [row.external_id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert rows == [f"b{number:03}" for number in range(3, 120, 10)]


def test_a_walk_that_takes_too_long_says_how_far_it_looked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FEW", 1), ("_WALKED_FIRST", 5), ("_WALKED_AT_ONCE", 5)):
        monkeypatch.setattr(entity_search, name, value)
    Item.objects.filter(project=project, external_id__gte="b100").update(properties={"title": "rare"})
    seconds = itertools.count(step=entity_search.BUDGET_S / 2)
    query = EntityQuery(values={"title": "rare"})
    page = entities_found(project=project, kind="item", query=query, stopwatch=lambda: float(next(seconds)))
    assert (page.rows, page.looked_through) == ([], "b009")
    assert key_of(str(page.next_cursor)) == "b009"


def test_a_list_keeps_its_filters_from_page_to_page_and_shows_the_columns_asked_for(
    browser: Client, project: Project
) -> None:
    address = reverse("items", args=[project.slug])
    asked = {"property": "tags", "value": "old", "column": ["price", "released"]}
    first = Page(browser.get(address, asked).content.decode())
    assert [word for word in first.words if word in SCHEMA["items"]].count("released") >= 2
    assert first.unlabelled == []
    following = str(first.all("a", rel="next")[0]["href"])
    assert "property=tags" in following
    assert "column=released" in following
    second = Page(browser.get(address + following).content.decode())
    assert "b118" in second.words
    assert "b119" not in second.words


def test_a_filter_that_makes_no_sense_is_said_at_its_field(browser: Client, project: Project) -> None:
    answer = browser.get(reverse("items", args=[project.slug]), {"property": "price", "value": "dear"})
    assert answer.status_code == 400
    assert "price must be a number" in Page(answer.content.decode()).text


def test_it_makes_an_item_by_the_schemas_rules(browser: Client, project: Project) -> None:
    address = reverse("entity_new", args=[project.slug, "items"])
    fields = {"id": "a/b c", "property-title": "Tea", "property-price": "2.5", "property-tags": "one\n two \n"}
    fields |= {"property-in_print": "yes", "property-released": "2026-01-31T12:00:00Z"}
    refused = browser.post(address, fields | {"property-title": ""})
    assert refused.status_code == 400
    assert not Item.objects.filter(external_id="a/b c").exists()
    answer = browser.post(address, fields)
    assert answer["Location"] == reverse("item", args=[project.slug, "a/b c"])
    assert Item.objects.get(external_id="a/b c").properties == {
        "title": "Tea",
        "price": 2.5,
        "tags": ["one", "two"],
        "in_print": True,
        "released": 1_769_860_800_000,
    }
    again = browser.post(address, fields)
    assert "already" in Page(again.content.decode()).text
    assert "Tea" in Page(browser.get(answer["Location"]).content.decode()).text


def test_it_changes_properties_in_fields_and_as_json(browser: Client, project: Project) -> None:
    address = reverse("entity_edit", args=[project.slug, "items", "b001"])
    page = Page(browser.get(address).content.decode())
    assert page.value_of("property-title") == "Volume 1"
    assert page.unlabelled == []
    browser.post(address, {"property-title": "Changed", "property-price": ""})
    assert Item.objects.get(external_id="b001").properties == {"title": "Changed"}
    wrong = browser.post(address + "?as=json", {"document": '{"title": 3, "colour": "red"}'})
    assert wrong.status_code == 400
    text = Page(wrong.content.decode()).text
    assert "title must be a string" in text
    assert "colour is not declared" in text
    browser.post(address + "?as=json", {"document": '{"title": "As JSON", "price": 4}'})
    assert Item.objects.get(external_id="b001").properties == {"title": "As JSON", "price": 4.0}


def test_a_users_page_has_the_history_of_the_log_while_no_replica_lives(
    browser: Client, project: Project, log: EventLog
) -> None:
    user_put(project=project, user_id="ann", properties={"country": "SE"})
    rows = [{"type": "click", "user_id": user, "item_id": item} for user, item in (("ann", "b001"), ("bob", "b002"))]
    events_ingest(project=project, rows=rows, source="test")
    page = Page(browser.get(reverse("user", args=[project.slug, "ann"])).content.decode())
    assert "b001" in page.words
    assert "b002" not in page.words
    assert "SE" in page.words
    # one who only acted has a page too
    assert "b002" in Page(browser.get(reverse("user", args=[project.slug, "bob"])).content.decode()).words
    unknown = browser.get(reverse("user", args=[project.slug, "nobody"]))
    assert unknown.status_code == 404
    assert "There is no such user." in Page(unknown.content.decode()).text
    assert log.end_offsets(topics.events(project.slug)) == {0: 2}, "looking is not logged"


def test_an_items_page_counts_what_was_shown_and_acted_on_lately(
    browser: Client, project: Project, log: EventLog
) -> None:
    items = [{"item_id": "b001"}, {"item_id": "b002"}]
    rows: list[Any] = [
        {"event_id": f"e{one}", "type": "impression", "user_id": "ann", "items": items} for one in range(4)
    ]
    rows.append({"type": "click", "user_id": "ann", "item_id": "b001"})
    events_ingest(project=project, rows=rows, source="test")
    page = Page(browser.get(reverse("item", args=[project.slug, "b001"])).content.decode())
    assert "25.0%" in page.words
    assert "Nothing is deployed" in page.text


def test_another_projects_users_and_items_are_not_found(
    browser: Client, project: Project, other_project: Project
) -> None:
    user_put(project=other_project, user_id="eve", properties={})
    User.objects.create(project=project, external_id="ann")
    for name in ("user", "item"):
        assert browser.get(reverse(name, args=[project.slug, "eve"])).status_code == 404
    listed = Page(browser.get(reverse("users", args=[project.slug])).content.decode())
    assert "ann" in listed.words
    assert "eve" not in listed.words
    edit = reverse("entity_edit", args=[project.slug, "users", "eve"])
    assert browser.post(edit, {"document": "{}"}).status_code == 404
    foreign = [
        reverse("users", args=["rival"]),
        reverse("user", args=["rival", "eve"]),
        reverse("erasures", args=["rival"]),
    ]
    assert {browser.get(address).status_code for address in foreign} == {404}
