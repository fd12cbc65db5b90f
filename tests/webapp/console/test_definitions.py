"""Schemas and model definitions through their pages: the same documents as the API takes, errors at their fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from engine.spec.architecture import ARCHITECTURES
from engine.spec.definition import ModelDefinition
from tests.webapp.console.full_definition import FULL_RANKING, OPTIMIZERS, SECTIONS, form_of
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.registry.architecture_titles import ABOUT
from webapp.registry.definition_form import document_from_form
from webapp.registry.definition_words import definition_words
from webapp.registry.differences import differences
from webapp.registry.first_definition import first_definition
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import schema_current, schema_document
from webapp.registry.services import model_publish

SCHEMA = {
    "users": {"country": {"type": "string"}},
    "items": {"tags": {"type": "string_list"}, "price": {"type": "float"}},
    "events": {"impression": {"role": "impression"}, "click": {"role": "action"}},
}


def posted_by(page: Page) -> dict[str, str]:
    """The form's inputs as the page filled them; selects are left to the test."""
    return {
        str(given["name"]): str(given.get("value") or "")
        for tag, given in page.tags
        if tag == "input" and given.get("name") and given.get("type") in (None, "text")
    }


def test_it_makes_from_the_form_the_document_that_the_api_takes(browser: Client, project: Project) -> None:
    answer = browser.post(reverse("model_new", args=[project.slug]), {"name": "ranker", **form_of(FULL_RANKING)})
    assert answer.status_code == 302, Page(answer.content.decode()).text
    assert ModelVersion.objects.get(model__name="ranker").document == FULL_RANKING


def test_it_fills_the_form_so_that_posting_it_changes_nothing(browser: Client, project: Project) -> None:
    model_publish(project=project, name="ranker", document=FULL_RANKING)
    page = Page(browser.get(reverse("model_edit", args=[project.slug, "ranker"])).content.decode())
    expected = form_of(FULL_RANKING)
    filled = posted_by(page)
    selects = [
        "source",
        "shares",
        "event_type",
        "kind",
        "transform",
        "evict",
        "precision",
        "metric",
        "pooling",
        "loss",
        "part",
        "on_changed_slot",
        "late_positives",
    ]
    for name, value in expected.items():
        if name.rsplit(".", 1)[-1] not in selects:
            assert filled[name] == value or float(filled[name]) == float(value), name
    answer = browser.post(reverse("model_edit", args=[project.slug, "ranker"]), expected)
    assert answer.status_code == 302
    assert ModelVersion.objects.filter(model__name="ranker").count() == 1


def test_it_keeps_every_field_of_the_specification_through_the_form() -> None:
    """A field that the form forgot would come back as its default: none of these is one."""
    sections = (*SECTIONS, *OPTIMIZERS)
    optimizers = {name: {"kind": FULL_RANKING[name]["kind"]} for name in OPTIMIZERS}
    default = ModelDefinition.parse({**FULL_RANKING, **{name: {} for name in SECTIONS}, **optimizers}).as_json()
    for section in sections:
        for name, value in FULL_RANKING[section].items():
            assert name == "kind" or value != default[section][name], f"{section}.{name} tests nothing"
    assert ModelDefinition.parse(document_from_form(form_of(FULL_RANKING))).as_json() == FULL_RANKING


def test_it_says_at_the_field_which_rule_is_broken(browser: Client, project: Project) -> None:
    posted = form_of(FULL_RANKING) | {"slots.1.dim": "wide", "training.batch_size": "0", "tasks.0.event_type": "click"}
    answer = browser.post(reverse("model_new", args=[project.slug]), {"name": "ranker", **posted})
    page = Page(answer.content.decode())
    assert answer.status_code == 400
    wrong = {given["name"] for tag, given in page.tags if given.get("aria-invalid") == "true" and tag != "textarea"}
    assert wrong == {"slots.1.dim", "training.batch_size"}
    assert page.value_of("slots.1.dim") == "wide"
    assert not ModelVersion.objects.exists()


def test_it_says_at_the_source_what_the_schema_does_not_declare(browser: Client, project: Project) -> None:
    posted = form_of(FULL_RANKING) | {"slots.1.source": "item.colour"}
    answer = browser.post(reverse("model_new", args=[project.slug]), {"name": "ranker", **posted})
    page = Page(answer.content.decode())
    assert [given["name"] for given in page.all("select", **{"aria-invalid": "true"})] == ["slots.1.source"]
    assert "is not declared in the schema" in page.text


def test_it_adds_and_removes_rows_without_javascript(browser: Client, project: Project) -> None:
    address = reverse("model_new", args=[project.slug])
    added = Page(browser.post(address, form_of(FULL_RANKING) | {"action": "add:slots"}).content.decode())
    assert added.value_of("slots.3.number") == "12"
    removed = Page(browser.post(address, form_of(FULL_RANKING) | {"action": "remove:slots.0"}).content.decode())
    assert removed.value_of("slots.0.name") == "item_id"
    assert removed.value_of("slots.2.name") is None


def test_it_goes_from_form_to_text_and_back(browser: Client, project: Project) -> None:
    address = reverse("model_new", args=[project.slug])
    as_text = browser.post(address, {"name": "ranker", **form_of(FULL_RANKING), "action": "as_text"})
    assert "&quot;num_negatives&quot;: 9" in as_text.content.decode()
    document = json.dumps(FULL_RANKING)
    as_form = Page(browser.post(address, {"document": document, "action": "as_form"}).content.decode())
    assert as_form.value_of("architecture.deepfm.hidden") == "48, 24, 12"
    assert browser.post(address, {"name": "ranker", "document": document}).status_code == 302
    assert ModelVersion.objects.get().document == FULL_RANKING


def test_it_keeps_text_that_is_no_json_and_says_where_it_breaks(browser: Client, project: Project) -> None:
    answer = browser.post(reverse("model_new", args=[project.slug]), {"name": "ranker", "document": '{"slots": [}'})
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "line 1 column 12" in text
    assert "{&quot;slots&quot;: [}" in text


def test_it_shows_text_of_another_shape_as_text(browser: Client, project: Project) -> None:
    address = reverse("model_new", args=[project.slug])
    for document in ("[]", '{"slots": 3}', '{"slots": [], "training": "fast"}', "null"):
        answer = browser.post(address, {"name": "ranker", "document": document, "action": "as_form"})
        assert answer.status_code == 400
        assert "publish it as text" in answer.content.decode()
        assert browser.post(address, {"name": "ranker", "document": document}).status_code == 400


def test_it_previews_the_document_and_what_is_still_wrong(browser: Client, project: Project) -> None:
    address = reverse("model_preview", args=[project.slug])
    good = browser.post(address, form_of(FULL_RANKING)).content.decode()
    assert "to publish" in good
    assert "&quot;interval_s&quot;: 2.5" in good
    bad = browser.post(address, form_of(FULL_RANKING) | {"slots.0.number": "9"}).content.decode()
    assert "the same number" in bad


def test_it_starts_from_a_definition_that_is_valid_for_any_schema(browser: Client, project: Project) -> None:
    browser.post(reverse("schema_edit", args=[project.slug]), {"document": json.dumps(SCHEMA), "note": "tags"})
    schema = schema_document(project=project)
    for architecture in ARCHITECTURES:
        document = first_definition(schema, architecture)
        ModelDefinition.parse(document).check_against(schema)
        assert {slot["source"] for slot in document["slots"]} >= {"user.id", "item.id", "item.tags", "user.country"}
        page = browser.get(reverse("model_new", args=[project.slug]), {"architecture": architecture})
        assert "to publish" in page.content.decode()


def test_it_offers_every_architecture_with_a_title_and_its_own_settings(browser: Client, project: Project) -> None:
    assert set(ABOUT) >= set(ARCHITECTURES)
    for kind, model in ARCHITECTURES.items():
        answer = browser.get(reverse("model_new", args=[project.slug]), {"architecture": kind})
        page = Page(answer.content.decode())
        assert ABOUT[kind].title in page.text
        assert [given["value"] for given in page.all("input", type="radio") if "checked" in given] == [kind]
        names = [str(given.get("name")) for _, given in page.tags]
        offered = {name for name in names if name.startswith(f"architecture.{kind}.")}
        assert offered == {f"architecture.{kind}.{name}" for name in model.model_fields if name != "kind"}


def test_it_brings_nothing_about_that_was_not_asked_for(browser: Client, project: Project) -> None:
    """What the page shows of a part that is absent is empty: posted as it stands, the part stays absent."""
    page = Page(browser.get(reverse("model_new", args=[project.slug])).content.decode())
    parts = [name for name in posted_by(page) if name.startswith("training.early_stopping.")]
    assert len(parts) > 1
    assert {page.value_of(name) for name in parts} == {""}
    assert "Early stopping: patience" in page.text


def test_it_publishes_from_the_form_each_architecture_as_it_starts(browser: Client, project: Project) -> None:
    schema = schema_document(project=project)
    for kind in ARCHITECTURES:
        document = ModelDefinition.parse(first_definition(schema, kind)).as_json()
        answer = browser.post(reverse("model_new", args=[project.slug]), {"name": kind, **form_of(document)})
        assert answer.status_code == 302, Page(answer.content.decode()).text
        assert ModelVersion.objects.get(model__name=kind).document == document


def test_it_reads_a_task_of_each_kind_from_the_form_and_says_at_the_field_what_is_wrong(
    browser: Client, project: Project
) -> None:
    seconds = {"kind": "regression", "name": "seconds", "event_type": "click", "weight": 1.5, "property": "dwell_s"}
    regression = {**seconds, "transform": "identity", "loss": "mse"}
    posted = form_of({**FULL_RANKING, "tasks": [*FULL_RANKING["tasks"], regression]})
    assert document_from_form(posted)["tasks"][-1] == regression
    answer = browser.post(reverse("model_new", args=[project.slug]), {"name": "ranker", **posted})
    page = Page(answer.content.decode())
    assert answer.status_code == 400
    assert [given["name"] for tag, given in page.tags if given.get("aria-invalid") == "true" and tag != "textarea"] == [
        "tasks.2.regression.property"
    ]
    assert "must be an integer or float property of click" in page.text


def test_it_publishes_a_schema_and_lists_what_changed(browser: Client, project: Project) -> None:
    answer = browser.post(
        reverse("schema_edit", args=[project.slug]), {"document": json.dumps(SCHEMA), "note": "prices"}
    )
    assert answer.headers["Location"] == reverse("schema", args=[project.slug])
    assert schema_current(project=project).version == 2
    text = Page(browser.get(reverse("schema", args=[project.slug])).content.decode()).text
    assert "+ items.price" in text
    assert "− events.purchase" in text
    assert "purchase events of this type are rejected" in text
    assert "prices" in text


def test_it_names_the_broken_rules_of_a_schema_and_keeps_the_text(browser: Client, project: Project) -> None:
    broken = {**SCHEMA, "items": {"id": {"type": "string"}}, "history_length": 0}
    answer = browser.post(reverse("schema_edit", args=[project.slug]), {"document": json.dumps(broken)})
    text = answer.content.decode()
    assert answer.status_code == 400
    assert "history_length" in text
    assert schema_current(project=project).version == 1


def test_it_refuses_a_new_model_by_a_name_that_is_taken(browser: Client, project: Project) -> None:
    model_publish(project=project, name="ranker", document=FULL_RANKING)
    answer = browser.post(reverse("model_new", args=[project.slug]), {"name": "ranker", **form_of(FULL_RANKING)})
    assert answer.status_code == 400
    assert "already a model" in answer.content.decode()


def test_differences_match_rows_by_name_not_by_place() -> None:
    before = {"slots": [{"name": "a", "dim": 1}, {"name": "b", "dim": 2}], "gone": 1}
    after = {"slots": [{"name": "b", "dim": 3}, {"name": "a", "dim": 1}], "new": [1, 2]}
    found = [(one.kind, one.path, one.before, one.after) for one in differences(before, after)]
    assert found == [
        ("removed", "gone", 1, None),
        ("added", "new", None, [1, 2]),
        ("changed", "slots.b.dim", 2, 3),
    ]


@pytest.mark.parametrize(
    ("score", "words"),
    [
        ({"kind": "first_task"}, "bought"),
        ({"kind": "product", "weights": {"bought": 1, "looked": 0.3}}, "bought × looked^0.3"),
        ({"kind": "sum", "weights": {"bought": 2.5, "looked": -1}}, "2.5 · bought - looked"),
        ({"kind": "sum", "weights": {"looked": -5}}, "- 5 · looked"),
    ],
)
def test_it_says_what_items_are_ranked_by(score: dict[str, Any], words: str) -> None:
    assert definition_words(FULL_RANKING | {"score": score})["score"] == words


def test_it_says_at_the_score_which_task_has_no_number(browser: Client, project: Project) -> None:
    posted = form_of(FULL_RANKING) | {"score.product.weights": "bought: much, looked: 0.25"}
    page = Page(browser.post(reverse("model_new", args=[project.slug]), {"name": "ranker", **posted}).content.decode())
    wrong = {given["name"] for tag, given in page.tags if given.get("aria-invalid") == "true" and tag != "textarea"}
    assert wrong == {"score.product.weights"}
    assert page.value_of("score.product.weights") == "bought: much, looked: 0.25"
