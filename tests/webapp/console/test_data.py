"""Uploading events, and looking at what came in."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from engine.spec.event import Event
from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.catalog.services import item_put
from webapp.registry.services import schema_publish

SCHEMA = {
    "items": {"title": {"type": "string"}},
    "events": {
        "impression": {"role": "impression"},
        "click": {
            "role": "action",
            "properties": {
                "hour": {"type": "integer"},
                "price": {"type": "float"},
                "is_member": {"type": "boolean"},
                "tags": {"type": "string_list"},
            },
        },
    },
}


@pytest.fixture
def typed_project(project: Project) -> Project:
    schema_publish(project=project, document=SCHEMA)
    return project


def logged(log: EventLog, project: Project) -> list[Event]:
    return [Event.from_bytes(record.value) for record in log.read(topics.events(project.slug), 0, 0)]


def upload(browser: Client, project: Project, name: str, content: bytes, **fields: str) -> Page:
    answer = browser.post(
        reverse("events_upload", args=[project.slug]), {"file": SimpleUploadedFile(name, content), **fields}
    )
    return Page(answer.content.decode())


def test_it_takes_a_csv_by_the_headers_it_is_told(browser: Client, typed_project: Project, log: EventLog) -> None:
    content = (
        b"reader,article,ts,hour,price,is_member,tags,other\n"
        b'ann,"tea, green",1769860800,9,2.5,yes,a|b,ignored\n'
        b"bob,jam,1769860801.5,10,,no,,\n"
    )
    page = upload(
        browser, typed_project, "clicks.csv", content,
        event_type="click", column_user_id="reader", column_item_id="article", column_timestamp="ts", time_form="s",
    )  # fmt: skip
    assert "2 rows read" in page.text
    first, second = logged(log, typed_project)
    assert (first.user_id, first.item_id, first.timestamp_ms) == ("ann", "tea, green", 1769860800000)
    assert first.properties == {"hour": 9, "price": 2.5, "is_member": True, "tags": ["a", "b"]}
    assert second.timestamp_ms == 1769860801500
    assert {name: value for name, value in second.properties.items() if value is not None} == {
        "hour": 10,
        "is_member": False,
    }


def test_it_answers_each_rejected_line_with_its_reason(browser: Client, typed_project: Project) -> None:
    content = b"type,user_id,item_id,hour\nclick,ann,tea,9\nlick,ann,tea,9\nclick,,tea,9\nclick,ann,tea,noon\n"
    page = upload(
        browser, typed_project, "clicks.csv", content,
        column_type="type", column_user_id="user_id", column_item_id="item_id",
    )  # fmt: skip
    assert "4 rows read" in page.text
    assert "Accepted 1 Repeated already here 0 Rejected 3" in page.text
    for line in ("3", "4", "5"):
        assert line in page.words
    inbox = Page(browser.get(reverse("rejected_rows", args=[typed_project.slug])).content.decode())
    assert "upload:clicks.csv" in inbox.text
    assert "noon" in inbox.text


def test_it_takes_jsonl_and_rejects_the_line_that_is_no_json(browser: Client, project: Project) -> None:
    content = b'{"type": "click", "user_id": "ann", "item_id": "tea", "timestamp": 1769860800000}\n\n{"type": \n'
    page = upload(browser, project, "events.jsonl", content)
    assert "2 rows read" in page.text
    assert "Accepted 1 Repeated already here 0 Rejected 1" in page.text
    again = upload(browser, project, "events.jsonl", content)
    assert "Accepted 0 Repeated already here 1 Rejected 1" in again.text


def test_it_says_which_column_the_file_lacks(browser: Client, project: Project, log: EventLog) -> None:
    page = upload(browser, project, "a.csv", b"user,item\nann,tea\n", event_type="click", column_user_id="user_id")
    assert "must be headers of the file, which has user, item" in page.text
    assert logged(log, project) == []


def test_it_refuses_a_file_that_is_not_text(browser: Client, project: Project) -> None:
    page = upload(browser, project, "a.csv", b"user_id\n\xff\xfe\n", event_type="click", column_user_id="user_id")
    assert "must be UTF-8 text" in page.text


def test_it_refuses_a_file_too_large_for_a_page(browser: Client, project: Project, settings: object) -> None:
    settings.MAX_BODY_BYTES = 10  # type: ignore[attr-defined]
    assert "load_events" in upload(browser, project, "a.jsonl", b'{"type": "click"}\n').text


def test_it_hides_an_item_and_shows_it_again(browser: Client, project: Project) -> None:
    item_put(project=project, item_id="tea & jam", properties={})
    address = reverse("items", args=[project.slug])
    for hidden, word in (("yes", "Show"), ("no", "Hide")):
        answer = browser.post(
            reverse("item_hide", args=[project.slug]), {"item_id": "tea & jam", "hidden": hidden, "back": "q=tea+%26"}
        )
        assert answer["Location"] == f"{address}?q=tea+%26"
        page = Page(browser.get(answer["Location"]).content.decode())
        assert word in page.words
        assert ("hidden" in page.words) is (hidden == "yes")


def test_it_hides_nothing_that_is_not_there(browser: Client, project: Project) -> None:
    assert (
        browser.post(reverse("item_hide", args=[project.slug]), {"item_id": "nil", "hidden": "yes"}).status_code == 404
    )


def test_it_finds_items_by_id_and_pages_through_them(browser: Client, project: Project) -> None:
    for number in range(55):
        item_put(project=project, item_id=f"book-{number:02}", properties={"title": f"Volume {number}"})
    address = reverse("items", args=[project.slug])
    first = Page(browser.get(address).content.decode())
    assert "book-49" in first.words
    assert "book-50" not in first.words
    following = first.all("a", rel="next")[0]["href"]
    second = Page(browser.get(address + str(following)).content.decode())
    assert "book-50" in second.words
    assert second.all("a", rel="next") == []
    found = Page(browser.get(address, {"q": "k-07"}).content.decode())
    assert "book-07" in found.words
    assert "book-08" not in found.words
