"""Users and items over REST, and what reaches the catalogue topic."""

from __future__ import annotations

from typing import Any

import pytest

from engine.spec.event import CatalogChange
from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.client import Api
from webapp.accounts.models import Project
from webapp.registry.services import schema_publish

SCHEMA: dict[str, Any] = {
    "users": {"country": {"type": "string"}},
    "items": {"title": {"type": "string", "required": True}, "price": {"type": "float"}},
    "events": {"click": {"role": "action"}},
}


@pytest.fixture(autouse=True)
def _schema(project: Project) -> None:
    schema_publish(project=project, document=SCHEMA)


def changes(log: EventLog, project: Project) -> list[tuple[str, str, dict[str, Any], bool]]:
    found = [CatalogChange.from_bytes(record.value) for record in log.read(topics.catalog(project.slug), 0, 0)]
    return [(change.kind, change.id, change.properties, change.deleted) for change in found]


def test_it_puts_reads_changes_and_deletes_an_item(api: Api, project: Project, log: EventLog) -> None:
    assert api.put("/items/tea", {"properties": {"title": "Tea", "price": 3}}).status_code == 200
    assert api.get("/items/tea").json()["properties"] == {"title": "Tea", "price": 3.0}
    assert api.patch("/items/tea", {"properties": {"price": None}}).json()["properties"] == {"title": "Tea"}
    assert api.delete("/items/tea").status_code == 204
    assert api.get("/items/tea").status_code == 404
    assert changes(log, project) == [
        ("item", "tea", {"title": "Tea", "price": 3.0}, False),
        ("item", "tea", {"title": "Tea"}, False),
        ("item", "tea", {}, True),
    ]


def test_it_puts_reads_changes_and_deletes_a_user(api: Api, project: Project, log: EventLog) -> None:
    assert api.put("/users/u1", {"properties": {"country": "DK"}}).status_code == 200
    assert api.patch("/users/u1", {"properties": {"country": "SE"}}).json()["properties"] == {"country": "SE"}
    assert api.get("/users/u1").json()["id"] == "u1"
    assert api.delete("/users/u1").status_code == 204
    assert [change[:2] for change in changes(log, project)] == [("user", "u1")] * 3


def test_it_replaces_the_whole_set_with_put(api: Api) -> None:
    api.put("/items/tea", {"properties": {"title": "Tea", "price": 3}})
    api.put("/items/tea", {"properties": {"title": "Green tea"}})
    assert api.get("/items/tea").json()["properties"] == {"title": "Green tea"}


@pytest.mark.parametrize("item_id", ["a/b/c", "a b", "ünï", "100%", "?x=1", "a#b", "/lead", "trail/"])
def test_it_takes_any_printable_id(api: Api, item_id: str) -> None:
    from urllib.parse import quote

    path = f"/items/{quote(item_id, safe='')}"
    assert api.put(path, {"properties": {"title": "x"}}).json()["id"] == item_id
    assert api.get(path).json()["id"] == item_id


def test_it_names_every_broken_property_and_writes_nothing(api: Api, project: Project, log: EventLog) -> None:
    answer = api.put("/items/tea", {"properties": {"price": "dear", "colour": "red"}})
    assert answer.status_code == 400
    problems = answer.json()["extra"]["problems"]
    assert {problem["field"] for problem in problems} == {"title", "price", "colour"}
    assert next(problem["received"] for problem in problems if problem["field"] == "price") == "'dear'"
    assert api.get("/items/tea").status_code == 404
    assert changes(log, project) == []


def test_it_will_not_clear_a_required_property(api: Api) -> None:
    api.put("/items/tea", {"properties": {"title": "Tea"}})
    assert api.patch("/items/tea", {"properties": {"title": None}}).status_code == 400
    assert api.get("/items/tea").json()["properties"] == {"title": "Tea"}


@pytest.mark.parametrize("method", ["patch", "delete", "get"])
def test_it_answers_404_for_an_item_that_is_not_there(api: Api, method: str) -> None:
    body: Any = {"properties": {}} if method == "patch" else None
    answer = api.get("/items/nil") if method == "get" else api.send(method, "/items/nil", body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/items/%00", "/items/a%0Ab", "/items/" + "x" * 257])
def test_it_refuses_an_id_that_breaks_the_rules(api: Api, path: str) -> None:
    assert api.put(path, {"properties": {"title": "x"}}).status_code in (400, 404)
    assert api.get(path).status_code == 404


def test_it_writes_a_batch_row_by_row(api: Api, project: Project, log: EventLog) -> None:
    rows = [
        {"id": "tea", "properties": {"title": "old"}},
        {"id": "jam", "properties": {}},
        {"id": "tea", "properties": {"title": "Tea"}},
        {"id": 5},
    ]
    answer = api.put("/items", rows)
    body = answer.json()
    assert answer.status_code == 200
    assert [row["status"] for row in body["results"]] == ["written", "rejected", "written", "rejected"]
    assert (body["written"], body["rejected"]) == (2, 2)
    assert api.get("/items/tea").json()["properties"] == {"title": "Tea"}
    assert changes(log, project) == [("item", "tea", {"title": "Tea"}, False)]


def test_it_writes_a_batch_of_users(api: Api) -> None:
    assert api.put("/users", {"users": [{"id": "u1"}, {"id": "u2"}]}).json()["written"] == 2
    assert [user["id"] for user in api.get("/users").json()["users"]] == ["u1", "u2"]


def test_it_answers_400_when_no_row_of_a_batch_is_good(api: Api) -> None:
    answer = api.put("/items", [{"id": "tea"}])
    assert (answer.status_code, answer.json()["code"]) == (400, "all_rejected")


def test_it_pages_through_every_item_once(api: Api) -> None:
    ids = [f"item-{number:02d}" for number in range(7)]
    api.put("/items", [{"id": one, "properties": {"title": "x"}} for one in ids])
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    for _ in range(3):
        page = api.get("/items", **query).json()
        seen += [item["id"] for item in page["items"]]
        query["cursor"] = page["next_cursor"]
    assert seen == ids
    assert page["next_cursor"] is None


def test_it_searches_by_a_part_of_the_id(api: Api) -> None:
    api.put("/items", [{"id": one, "properties": {"title": "x"}} for one in ("green-tea", "jam", "TEAPOT")])
    assert {item["id"] for item in api.get("/items", search="tea").json()["items"]} == {"green-tea", "TEAPOT"}


@pytest.mark.parametrize(
    "query", [{"cursor": "!!"}, {"cursor": "AAAA"}, {"limit": 0}, {"limit": 1001}, {"page": 2}, {"search": "\x00"}]
)
def test_it_refuses_a_broken_page_query(api: Api, query: dict[str, Any]) -> None:
    answer = api.get("/items", **query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_it_refuses_a_field_it_does_not_know(api: Api) -> None:
    answer = api.put("/items/tea", {"props": {}})
    assert answer.status_code == 400
    assert answer.json()["extra"]["problems"][0]["field"] == "props"
