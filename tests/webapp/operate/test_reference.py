"""The API reference in the console: every operation has a page with this project's values, calls that work, and a key to try with."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.webapp.client import Api
from webapp.accounts.models import Membership, Project
from webapp.catalog.entities import items_put, users_put
from webapp.reference.document import operations
from webapp.reference.examples import body_of, path_values
from webapp.reference.fields import fields_of
from webapp.reference.snippets import python
from webapp.reference.templatetags.reference import prose
from webapp.reference.values import values_of


def shown(browser: Client, project: Project, operation_id: str) -> str:
    return browser.get(reverse("api_operation", args=[project.slug, operation_id])).content.decode()


@pytest.fixture
def stocked(project: Project) -> Project:
    items_put(project=project, rows=[{"id": "te'a", "properties": {"title": "Tea"}}, {"id": "pot"}])
    users_put(project=project, rows=[{"id": "ann"}])
    return project


def test_it_has_a_page_for_each_operation(browser: Client, project: Project) -> None:
    assert len(operations()) > 60
    assert len({one.id for one in operations()}) == len(operations())
    index = browser.get(reverse("api_reference", args=[project.slug])).content.decode()
    for one in operations():
        assert reverse("api_operation", args=[project.slug, one.id]) in index
        assert browser.get(reverse("api_operation", args=[project.slug, one.id])).status_code == 200, one.id
    assert browser.get(reverse("api_operation", args=[project.slug, "dance"])).status_code == 404


def test_it_finds_operations_by_words(browser: Client, project: Project) -> None:
    found = browser.get(reverse("api_reference", args=[project.slug]), {"q": "POST recommend"}).content.decode()
    assert "/api/v1/recommend<" in found
    assert "/api/v1/schema<" not in found
    none = browser.get(reverse("api_reference", args=[project.slug]), {"q": "zebra"}).content.decode()
    assert "No operation has these words" in none


def test_it_fills_in_bodies_that_the_server_takes(stocked: Project, api: Api) -> None:
    values = values_of(stocked)
    by_id = {one.id: one for one in operations()}
    for operation_id in ("events_post", "items_put", "users_put", "item_put", "user_put", "schema_put", "item_patch"):
        one = by_id[operation_id]
        parts = path_values(one, values)
        path = one.path.removeprefix("/api/v1")
        for name, value in parts.items():
            path = path.replace(f"{{{name}}}", value)
        answer = api.send(one.method.lower(), path, body_of(one, values))
        assert answer.status_code == 200, (operation_id, answer.content)
    recommended = api.post("/recommend", body_of(by_id["recommend"], values))
    assert recommended.status_code in (200, 404, 503)  # nothing is deployed here; the body itself is fine


def test_it_gives_a_curl_call_that_a_shell_takes(browser: Client, stocked: Project) -> None:
    page = shown(browser, stocked, "events_post")
    call = re.search(r'id="call-curl"[^>]*>(.*?)</pre>', page, re.S)
    assert call is not None
    words = shlex.split(call[1].replace("&#x27;", "'").replace("&quot;", '"').replace("\\\n", " "))
    assert words[:4] == ["curl", "-sS", "-X", "POST"]
    assert words[4] == "http://testserver/api/v1/events"
    body = json.loads(words[words.index("-d") + 1])
    assert body["events"][0]["item_id"] == "pot"
    assert "fk_" not in call[1]


def test_it_gives_python_that_compiles(stocked: Project) -> None:
    values = values_of(stocked)
    for one in operations():
        compile(python(one, "https://x.example", path_values(one, values), body_of(one, values)), one.id, "exec")


def test_it_makes_a_key_to_try_with(browser: Client, project: Project) -> None:
    answer = browser.post(reverse("api_key_mint", args=[project.slug]))
    made: dict[str, Any] = answer.json()
    assert answer.headers["Cache-Control"].startswith("max-age=0")
    assert Api(made["secret"]).get("/models").status_code == 200
    assert made["secret"] not in shown(browser, project, "recommend")


@pytest.mark.parametrize(
    ("role", "status", "scopes"), [("viewer", 403, None), ("editor", 200, ["ingest", "recommend"])]
)
def test_it_gives_nobody_a_key_that_may_more_than_they(
    browser: Client, project: Project, role: str, status: int, scopes: list[str] | None
) -> None:
    Membership.objects.filter(project=project).update(role=role)
    answer = browser.post(reverse("api_key_mint", args=[project.slug]))
    assert answer.status_code == status
    if scopes is not None:
        assert answer.json()["scopes"] == scopes
    assert "paste one, or ask an" in shown(browser, project, "model_create")


def test_it_shows_no_other_projects_values(
    browser: Client, project: Project, other_project: Project, api_of: Callable[..., Api]
) -> None:
    api_of(other_project).put("/items/secret-item", {"properties": {}})
    assert "secret-item" not in shown(browser, project, "rank")


def test_it_reads_fields_of_a_schema() -> None:
    schemas = {"Row": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}}
    schema = {
        "type": "object",
        "properties": {
            "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}, "maxItems": 3},
            "mode": {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}], "default": "a", "description": "which"},
        },
    }
    rows, mode = fields_of(schema, schemas)
    assert (rows.type, rows.limits, [one.name for one in rows.fields]) == ("list of object", "at most 3 members", ["n"])
    assert (rows.fields[0].is_required, rows.fields[0].limits) == (True, "from 1")
    assert (mode.type, mode.default, mode.description, mode.is_required) == ('"a" or "b"', '"a"', "which", False)


def test_it_ends_at_a_schema_that_contains_itself() -> None:
    schemas = {"Node": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}}}
    fields = fields_of(schemas["Node"], schemas)
    depth = 0
    while fields:
        depth, fields = depth + 1, fields[0].fields
    assert depth == 4


def test_it_escapes_the_documents_prose() -> None:
    assert prose("a `<b>` & <i>\n\nc") == "<p>a <code>&lt;b&gt;</code> &amp; &lt;i&gt;</p><p>c</p>"
