"""What people change of a user or an item is in the audit log: who, what of it, in their project alone; what keys write is not."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.webapp.client import Api
from webapp.accounts.models import Membership, Project, Role
from webapp.audit.acting import Actor, ActorKind, acting_as
from webapp.audit.models import AuditEntry
from webapp.catalog.entity_audit import MAX_CHARACTERS, MAX_NAMES
from webapp.catalog.models import Item
from webapp.catalog.services import item_put, items_put, user_put
from webapp.registry.services import schema_publish

SCHEMA: dict[str, Any] = {
    "users": {"country": {"type": "string"}},
    "items": {"title": {"type": "string"}, "price": {"type": "float"}},
    "events": {"impression": {"role": "impression"}, "click": {}},
}
ANN = Actor(ActorKind.ACCOUNT, "ann", "10.0.0.1")


@pytest.fixture(autouse=True)
def schema(project: Project) -> None:
    schema_publish(project=project, document=SCHEMA)


def told(project: Project) -> list[tuple[str, str, dict[str, Any]]]:
    """Of users and items, oldest first."""
    entries = AuditEntry.objects.filter(project=project).order_by("pk")
    return [(one.action, one.target, one.details) for one in entries if one.target.split()[0] in ("item", "user")]


def edit(browser: Client, project: Project, many: str, entity_id: str, **fields: str) -> int:
    address = reverse("entity_edit", args=[project.slug, many, entity_id])
    return browser.post(address, {f"property-{name}": value for name, value in fields.items()}).status_code


def test_it_tells_who_made_changed_hid_and_deleted_what(browser: Client, project: Project) -> None:
    new = reverse("entity_new", args=[project.slug, "items"])
    browser.post(new, {"id": "tea", "property-title": "Tea", "property-price": "3"})
    edit(browser, project, "items", "tea", title="Tea", price="4.5")
    edit(browser, project, "items", "tea", title="Tea", price="4.5")
    for hidden in ("yes", "no"):
        browser.post(reverse("item_hide", args=[project.slug]), {"item_id": "tea", "hidden": hidden})
    browser.post(reverse("erasure_new", args=[project.slug, "items", "tea"]))
    entries = told(project)
    assert [(action, target) for action, target, _ in entries[:4]] == [
        ("item_create", "item tea"),
        ("item_change", "item tea"),
        ("item_hide", "item tea"),
        ("item_show", "item tea"),
    ], "what changed nothing leaves no entry"
    assert [details for _, _, details in entries[:4]] == [
        {"properties": {"price": {"from": None, "to": 3.0}, "title": {"from": None, "to": "Tea"}}},
        {"properties": {"price": {"from": 3.0, "to": 4.5}}},
        {"hidden": True},
        {"hidden": False},
    ]
    assert [action for action, _, _ in entries[4:]] == ["item_erase"]
    kinds = AuditEntry.objects.filter(project=project, target="item tea").values_list(
        "actor_kind", "actor_name", "address"
    )
    assert set(kinds) == {("account", "member", "127.0.0.1")}
    page = browser.get(reverse("audit", args=[project.slug]), {"target": "item tea"}).content.decode()
    assert "item_change" in page and "4.5" in page


def test_of_users_it_tells_which_properties_and_no_value(browser: Client, project: Project) -> None:
    """Who is erased must be gone, and the audit log keeps what it has."""
    browser.post(reverse("entity_new", args=[project.slug, "users"]), {"id": "ben", "property-country": "PT"})
    edit(browser, project, "users", "ben", country="CH")
    assert told(project) == [
        ("user_create", "user ben", {"properties": ["country"]}),
        ("user_change", "user ben", {"properties": ["country"]}),
    ]
    assert not AuditEntry.objects.filter(details__icontains="CH").exists()


def test_it_tells_nothing_of_what_was_refused(browser: Client, project: Project) -> None:
    with acting_as(ANN):
        item_put(project=project, item_id="tea", properties={"price": 3.0})
    assert edit(browser, project, "items", "tea", price="cheap") == 400
    Membership.objects.filter(project=project).update(role=Role.VIEWER)
    assert edit(browser, project, "items", "tea", price="4") == 403
    assert [action for action, _, _ in told(project)] == ["item_create"]


def test_it_stays_within_the_project(browser: Client, project: Project, other_project: Project) -> None:
    schema_publish(project=other_project, document=SCHEMA)
    with acting_as(ANN):
        item_put(project=other_project, item_id="tea", properties={"title": "secret"})
    assert told(project) == []
    assert edit(browser, other_project, "items", "tea", title="mine") == 404
    assert [action for action, _, _ in told(other_project)] == ["item_create"]
    assert "secret" not in browser.get(reverse("audit", args=[project.slug])).content.decode()


def test_what_keys_and_files_write_is_not_told_and_costs_nothing_more(api: Api, project: Project) -> None:
    api.put("/items/tea", {"properties": {"price": 1}})
    api.patch("/items/tea", {"properties": {"price": 2}, "hidden": True})
    api.put("/users/ben", {"properties": {}})
    with acting_as(ANN), CaptureQueriesContext(connection) as asked:
        items_put(project=project, rows=[{"id": f"i-{number}", "properties": {}} for number in range(50)])
    assert told(project) == []
    assert not [one["sql"] for one in asked if "audit" in one["sql"] or "FOR UPDATE" in one["sql"]]


def test_it_leaves_out_the_rest_of_what_is_long_or_much(project: Project) -> None:
    names = [f"p{number:02}" for number in range(MAX_NAMES + 5)]
    schema_publish(project=project, document=SCHEMA | {"items": {name: {"type": "string"} for name in names}})
    with acting_as(ANN):
        item_put(project=project, item_id="tea", properties=dict.fromkeys(names, "é" * 250))
        user_put(project=project, user_id="ben", properties={})
    assert Item.objects.get(project=project).properties["p00"] == "é" * 250
    ((_, _, details), (_, _, of_ben)) = told(project)
    assert (details["num_properties"], len(details["properties"])) == (MAX_NAMES + 5, MAX_NAMES)
    assert len(details["properties"]["p00"]["to"]) == MAX_CHARACTERS
    assert of_ben == {}
