"""The schema as a form: the same document as the JSON, rows without a script, and what a change means."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client
from django.urls import reverse

from engine.spec.schema import Schema
from tests.webapp.client import DEFINITION
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.registry.json_text import written
from webapp.registry.reading_order import in_reading_order
from webapp.registry.schema_meaning import meaning
from webapp.registry.schema_rows import fits_form, rows_from_form, rows_of
from webapp.registry.schema_uses import models_in_use
from webapp.registry.selectors import schema_current
from webapp.registry.services import model_publish, schema_publish

FULL: dict[str, Any] = Schema.parse(
    {
        "users": {"country": {"type": "string", "required": True, "max_length": 2}},
        "items": {"embedding": {"type": "vector", "dim": 8}, "tags": {"type": "string_list", "max_values": 5}},
        "events": {
            "impression": {"role": "impression"},
            "click": {"role": "action", "join_window_s": 60, "properties": {"hour": {"type": "integer"}}},
            "play": {"role": "other"},
        },
        "create_items_from_events": False,
        "join_window_s": 120,
        "joining": {"positives": "wait", "negative_sampling_rate": 0.5},
        "history_length": 30,
        "counters": {
            "clicks": {"keys": ["item.id"], "event_types": ["click"], "windows_s": [600], "half_lives_s": [60]}
        },
        "num_drawn_negatives": 3,
        "candidates": {"unfinished": {"started": ["play"], "finished": ["click"], "window_s": 3600}},
    }
).as_json()


def posted(document: dict[str, Any]) -> dict[str, str]:
    """The form as a browser posts it with this document in it."""
    fields: dict[str, str] = {}

    def put(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                put(f"{path}.{name}", inner)
        elif isinstance(value, bool):
            fields.update({path: "on"} if value else {})
        elif isinstance(value, list):
            fields[path] = ", ".join(map(str, value))
        else:
            fields[path] = "" if value is None else str(value)

    def put_named(part: str, declared: dict[str, Any]) -> None:
        for place, (name, values) in enumerate(declared.items()):
            fields[f"{part}.{place}.name"] = name
            for field, value in values.items():
                if field == "properties":
                    put_named(f"{part}.{place}.properties", value)
                else:
                    put(f"{part}.{place}.{field}", value)

    for part in ("users", "items", "events", "counters"):
        put_named(part, document[part])
    for name, value in document.items():
        if name not in ("users", "items", "events", "counters"):
            put(f"schema.{name}", value)
    return fields


def edit(browser: Client, project: Project, fields: dict[str, str]) -> Any:
    return browser.post(reverse("schema_edit", args=[project.slug]), fields)


def test_it_keeps_every_field_of_the_specification_through_the_form() -> None:
    assert Schema.parse(rows_from_form(posted(FULL)).document()[0]).as_json() == FULL
    assert Schema.parse(rows_of(FULL).document()[0]).as_json() == FULL
    assert {*FULL} == {*Schema.model_fields}


def test_it_fills_the_form_so_that_posting_it_changes_nothing(browser: Client, project: Project) -> None:
    schema_publish(project=project, document=FULL)
    page = Page(browser.get(reverse("schema_edit", args=[project.slug])).content.decode())
    assert page.unlabelled == []
    filled = {given["name"]: given.get("value") for given in page.all("input", type="text") if given.get("name")}
    # PostgreSQL keeps declarations in an order of its own
    stored = in_reading_order(Schema, schema_current(project=project).document)
    for name, value in posted(stored).items():
        if name in filled:
            assert filled[name] == value or float(filled[name] or "nan") == float(value), name
    assert edit(browser, project, {**posted(FULL), "action": "publish"}).status_code == 302
    assert schema_current(project=project).version == 2


def test_it_adds_and_removes_rows_without_javascript(browser: Client, project: Project) -> None:
    page = Page(edit(browser, project, {**posted(FULL), "action": "add:events.1.properties"}).content.decode())
    assert page.all("input", name="events.1.properties.1.name")
    page = Page(edit(browser, project, {**posted(FULL), "action": "remove:events.1.properties.0"}).content.decode())
    assert not page.all("input", name="events.1.properties.0.name")
    page = Page(edit(browser, project, {**posted(FULL), "action": "remove:items.0"}).content.decode())
    assert page.value_of("items.0.name") == "tags"
    for action in ("add:nonsense", "remove:events.99", "add:events.x.properties", "remove:users"):
        assert edit(browser, project, {**posted(FULL), "action": action}).status_code == 200


def test_it_says_at_the_field_which_rule_is_broken(browser: Client, project: Project) -> None:
    fields = {**posted(FULL), "items.0.dim": "0", "items.1.name": "embedding", "users.0.name": "", "action": "publish"}
    answer = edit(browser, project, fields)
    page = Page(answer.content.decode())
    assert answer.status_code == 400
    assert "is there twice" in page.text
    assert "must have a name" in page.text
    fields = {**posted(FULL), "items.0.dim": "0", "schema.history_length": "many", "action": "publish"}
    page = Page(edit(browser, project, fields).content.decode())
    wrong = {given.get("id") for _, given in page.tags if given.get("aria-invalid") == "true"}
    assert wrong == {"f-items-0-dim", "f-schema-history_length"}
    assert schema_current(project=project).version == 1


def test_it_goes_from_form_to_text_and_back(browser: Client, project: Project) -> None:
    as_text = edit(browser, project, {**posted(FULL), "action": "as_text"}).content.decode()
    assert "&quot;embedding&quot;" in as_text
    back = Page(edit(browser, project, {"document": json.dumps(FULL), "action": "as_form"}).content.decode())
    assert back.value_of("items.0.name") == "embedding"
    broken = edit(browser, project, {"document": "{", "action": "as_form"})
    assert broken.status_code == 400
    assert "is not JSON" in broken.content.decode()
    odd = edit(browser, project, {"document": '{"events": [1]}', "action": "as_form"})
    assert "no place for" in odd.content.decode()
    assert not fits_form({"events": {"click": {"colour": 1}}})


def test_it_takes_the_json_beside_the_form_where_that_alone_was_changed(browser: Client, project: Project) -> None:
    schema_publish(project=project, document=FULL)
    stored = in_reading_order(Schema, schema_current(project=project).document)
    html = browser.get(reverse("schema_edit", args=[project.slug])).content.decode()
    form_was = Page(html).value_of("form_was") or ""
    was = written(stored)
    fields = {**posted(stored), "form_was": form_was, "json_was": was.replace("\n", "\r\n")}
    changed = was.replace('"history_length": 30', '"history_length": 31')
    text = Page(
        browser.post(reverse("schema_preview", args=[project.slug]), {**fields, "json": changed}).content.decode()
    ).text
    assert "histories keep 31 items instead of 30" in text
    assert "By the JSON" in text
    taken = Page(edit(browser, project, {**fields, "json": changed, "action": "as_form"}).content.decode())
    assert taken.value_of("schema.history_length") == "31"
    both = edit(browser, project, {**fields, "json": changed, "schema.history_length": "40", "action": "publish"})
    assert both.status_code == 400
    page = Page(both.content.decode())
    assert "were both changed" in page.text
    assert page.value_of("schema.history_length") == "40"
    assert page.value_of("form_was") == ""  # still undecided when it is posted again
    undecided = {**fields, "json": changed, "form_was": "", "action": "add:users"}
    assert edit(browser, project, undecided).status_code == 400
    by_form = Page(edit(browser, project, {**undecided, "action": "refresh"}).content.decode())
    assert by_form.value_of("form_was") == form_was
    broken = edit(browser, project, {**fields, "json": "{", "action": "publish"})
    assert broken.status_code == 400
    assert "is not JSON" in broken.content.decode()
    assert edit(browser, project, {**fields, "json": changed, "action": "publish"}).status_code == 302
    assert schema_current(project=project).document["history_length"] == 31


def test_it_previews_differences_and_meaning_as_one_types(browser: Client, project: Project) -> None:
    address = reverse("schema_preview", args=[project.slug])
    text = Page(browser.post(address, posted(FULL)).content.decode()).text
    assert "ready to publish as version 2" in text
    assert "user.country is required: every row without it is rejected" in text
    assert "purchase events of this type are rejected" in text
    text = Page(browser.post(address, {"document": '{"events": {}}'}).content.decode()).text
    assert "Not valid yet" in text


def test_it_names_the_models_that_a_change_breaks(project: Project) -> None:
    before = Schema.parse({"items": {"colour": {"type": "string"}}, "events": {"click": {}}})
    schema_publish(project=project, document=before.as_json())
    slots = [*DEFINITION["slots"], {"name": "colour", "number": 3, "source": "item.colour", "dim": 8}]
    model_publish(project=project, name="towers", document={**DEFINITION, "slots": slots})
    models = models_in_use(project=project)
    gone = meaning(before, Schema.parse({"events": {"click": {}}}), models)
    assert [(one.gravity, one.model) for one in gone] == [("bad", "towers"), ("warn", "")]
    assert "item.colour" in gone[0].words
    assert meaning(before, before, models) == []
    retyped = meaning(before, Schema.parse({"items": {"colour": {"type": "float"}}, "events": {"click": {}}}), models)
    assert {one.about for one in retyped} == {"item.colour", "model towers v1"}


def test_it_compares_any_two_versions(browser: Client, project: Project) -> None:
    for length in (30, 40):
        schema_publish(project=project, document={**FULL, "history_length": length})
    page = Page(browser.get(reverse("schema", args=[project.slug])).content.decode())
    assert "histories keep 40 items instead of 30" in page.text
    page = Page(browser.get(reverse("schema", args=[project.slug]), {"against": "1"}).content.decode())
    assert "histories keep 40 items instead of 20" in page.text
