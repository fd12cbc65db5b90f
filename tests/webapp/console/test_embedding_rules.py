"""What earns and loses an embedding its row, and how rows learn: in words where a definition is shown, in fields where it is edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from engine.spec.initializer import Constant, Normal, TruncatedNormal, Uniform, Zeros
from engine.spec.retention import Evict, Retention
from engine.spec.schema import Schema
from engine.spec.slot import AdmitAlways, AdmitMinCount, AdmitProbability, Expiry
from engine.spec.sparse_optimizer import SparseAdagrad, SparseFTRL, SparseMomentum
from tests.webapp.console.full_definition import FULL_RANKING, form_of
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.registry import definition_words as words
from webapp.registry.definition_page import controls_of, form_context
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish

STYLES = Path(__file__).parents[3] / "webapp/static/css/forms.css"
SCHEMA = {"events": {"impression": {"role": "impression"}, "click": {"role": "action"}}}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1, "1 second"),
        (90, "1 minute 30 seconds"),
        (3600, "1 hour"),
        (86_400, "1 day"),
        (2_592_000, "30 days"),
        (93_784, "1 day 2 hours 3 minutes 4 seconds"),
        (2**31, "24,855 days 3 hours 14 minutes 8 seconds"),
    ],
)
def test_it_says_a_period_exactly(seconds: int, expected: str) -> None:
    assert words.period(seconds) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (21, "21st"), (1113, "1,113th")],
)
def test_it_says_which_sighting(number: int, expected: str) -> None:
    assert words.ordinal(number) == expected


def test_it_says_what_earns_a_row() -> None:
    said = [
        words.admission_words(rule)
        for rule in (
            AdmitAlways(),
            AdmitMinCount(min_count=5),
            AdmitMinCount(min_count=5, window_s=86_400),
            AdmitMinCount(min_count=2, window_s=5400),
            AdmitProbability(probability=0.125),
        )
    ]
    assert said == [
        "admitted on its 1st sighting",
        "admitted on its 5th sighting",
        "admitted on its 5th sighting, counts halving every day",
        "admitted on its 2nd sighting, counts halving every 1 hour 30 minutes",
        "admitted with a chance of 12.5% at each sighting",
    ]


def test_it_says_what_loses_a_row_and_what_memory_there_is() -> None:
    assert words.expiry_words(None) == "never expires"
    assert words.expiry_words(Expiry(ttl_s=2_592_000)) == "expires after 30 days unseen"
    assert words.retention_words(Retention()) == "no limit"
    budget = Retention(max_table_bytes=3 * 2**29, evict=Evict.LEAST_OFTEN)
    assert words.retention_words(budget) == "1.5 GiB; rows seen least often go first"


def test_it_says_how_rows_learn() -> None:
    assert words.optimizer_words(SparseAdagrad()) == "Adagrad, learning rate 0.05, initial accumulator 0.1"
    momentum = SparseMomentum.parse({"nesterov": True, "clip_norm": 2, "learning_rate": 1})
    assert words.optimizer_words(momentum) == "Momentum, learning rate 1, clip norm 2, momentum 0.9, nesterov"
    schedule = {"kind": "cosine", "value": 0.1, "warmup_steps": 1000, "final": 0.01, "decay_steps": 20_000}
    ftrl = SparseFTRL.parse({"learning_rate": schedule, "l1": 0.5, "initial_accumulator": 0, "beta": 1})
    assert words.optimizer_words(ftrl) == (
        "FTRL-proximal, learning rate 0.1 after rising over 1,000 steps, falling to 0.01 in 20,000 steps (cosine), "
        "l1 0.5, beta 1, learning rate power -0.5"
    )


def test_it_says_how_rows_begin() -> None:
    said = [
        words.initializer_words(one)
        for one in (Zeros(), Constant(scale=-0.5), Uniform(scale=0.25), Normal(scale=0.1), TruncatedNormal(scale=0.1))
    ]
    assert said == [
        "zeros",
        "all -0.5",
        "uniform in ±0.25",
        "normal with standard deviation 0.1",
        "normal with standard deviation 0.1, cut at two of it",
    ]


def test_it_shows_the_rules_of_a_model_in_words(browser: Client, project: Project) -> None:
    model_publish(project=project, name="ranker", document=FULL_RANKING)
    text = Page(browser.get(reverse("model", args=[project.slug, "ranker"])).content.decode()).text
    for said in (
        "admitted on its 3rd sighting, counts halving every day; expires after 30 days unseen",
        "admitted with a chance of 25% at each sighting; never expires",
        "shares the rows of item_id",
        "Adam, learning rate 0.02 after rising over 100 steps, falling to 0.001 in 5,000 steps (polynomial)",
        "normal with standard deviation 0.04, cut at two of it",
        "2 GiB; rows seen least often go first",
        "float16",
    ):
        assert said in text


def test_it_shows_and_keeps_a_definition_that_an_older_release_stored(browser: Client, project: Project) -> None:
    """One without any of the fields that have come since: its page says today's defaults, and publishing it anew changes nothing."""
    version = model_publish(project=project, name="ranker", document=FULL_RANKING)
    older = older_document()
    ModelVersion.objects.filter(pk=version.pk).update(document=older)
    page = Page(browser.get(reverse("model", args=[project.slug, "ranker"])).content.decode())
    assert "admitted on its 1st sighting; never expires" in page.text
    assert "Adagrad, learning rate 0.02, initial accumulator 0.3" in page.text
    assert "uniform in ±0.04" in page.text
    assert model_publish(project=project, name="ranker", document=older).version == 1
    changed = {**older, "serving": {"precision": "int8"}}
    assert model_publish(project=project, name="ranker", document=changed).version == 2
    text = Page(browser.get(reverse("model", args=[project.slug, "ranker"])).content.decode()).text
    assert '~ serving.precision: "float32" → "int8"' in text
    assert "retention" not in text.partition("Changed since v1")[2].partition("The document")[0]


def test_it_brings_an_older_spelling_into_the_form(browser: Client, project: Project) -> None:
    posted = {"document": json.dumps(older_document()), "action": "as_form"}
    page = Page(browser.post(reverse("model_new", args=[project.slug]), posted).content.decode())
    assert page.value_of("sparse_optimizer.initializer.uniform.scale") == "0.04"
    assert page.value_of("sparse_optimizer.learning_rate.value") == "0.02"


def test_it_offers_no_rules_to_a_slot_that_shares_rows(browser: Client, project: Project) -> None:
    answer = browser.post(reverse("model_new", args=[project.slug]), form_of(FULL_RANKING) | {"action": "add:slots"})
    page = Page(answer.content.decode())
    named = {str(given["name"]) for given in page.all("select")}
    assert {"slots.0.admission.kind", "slots.1.admission.kind", "slots.3.admission.kind"} <= named
    assert "slots.2.admission.kind" not in named
    assert "as item_id, whose rows it shares" in page.text
    assert page.unlabelled == []


def test_it_says_at_the_rule_what_is_wrong_with_it(browser: Client, project: Project) -> None:
    wrong = {
        "slots.0.admission.min_count.min_count": "0",
        "slots.0.expiry.ttl_s": "a month",
        "sparse_optimizer.adam.beta1": "1",
        "sparse_optimizer.clip_norm": "-1",
        "sparse_optimizer.learning_rate.value": "0",
        "sparse_optimizer.initializer.truncated_normal.scale": "7",
        "retention.max_table_bytes": "5",
    }
    posted = {"name": "ranker", **form_of(FULL_RANKING), **wrong}
    answer = browser.post(reverse("model_new", args=[project.slug]), posted)
    page = Page(answer.content.decode())
    assert answer.status_code == 400
    invalid = {given["name"] for tag, given in page.tags if given.get("aria-invalid") == "true" and tag != "textarea"}
    assert invalid == wrong.keys()
    for name, value in wrong.items():
        assert page.value_of(name) == value


def test_it_keeps_what_kinds_share_when_another_kind_is_chosen(browser: Client, project: Project) -> None:
    posted = form_of(FULL_RANKING) | {"sparse_optimizer.kind": "sgd", "slots.0.admission.kind": "always"}
    answer = browser.post(reverse("model_new", args=[project.slug]), {"name": "ranker", **posted})
    assert answer.status_code == 302
    document = ModelVersion.objects.get().document
    assert document["slots"][0]["admission"] == {"kind": "always"}
    expected = {**FULL_RANKING["sparse_optimizer"], "kind": "sgd", "weight_decay": 0.0}
    assert document["sparse_optimizer"] == {
        name: value for name, value in expected.items() if name not in ("beta1", "beta2", "epsilon")
    }


def test_it_previews_the_rules_in_words(browser: Client, project: Project) -> None:
    answer = browser.post(reverse("model_preview", args=[project.slug]), form_of(FULL_RANKING))
    text = Page(answer.content.decode()).text
    assert "user_id admitted on its 3rd sighting, counts halving every day; expires after 30 days unseen" in text
    assert "2 GiB" in text


@pytest.mark.parametrize(
    "rules",
    [{"admission": 3}, {"expiry": "soon"}, {"admission": ["always"]}, {"admission": {"kind": "always", "count": 3}}],
)
def test_it_shows_rules_that_the_form_would_lose_as_text(
    browser: Client, project: Project, rules: dict[str, Any]
) -> None:
    document = {**FULL_RANKING, "slots": [{**FULL_RANKING["slots"][0], **rules}]}
    posted = {"document": json.dumps(document), "action": "as_form"}
    answer = browser.post(reverse("model_new", args=[project.slug]), posted)
    assert answer.status_code == 400
    assert "publish it as text" in answer.content.decode()


def test_the_stylesheet_shows_the_fields_of_every_kind_that_has_some() -> None:
    context = form_context(FULL_RANKING, [], Schema.parse(SCHEMA))
    kinds = {group.kind for control in controls_of(context) for group in control.groups}
    assert {"min_count", "adam", "truncated_normal", "cosine"} <= kinds
    styles = STYLES.read_text()
    for kind in kinds:
        assert f'.variant:has(> .kind option[value="{kind}"]:checked) > .of[data-kind="{kind}"]' in styles


def older_document() -> dict[str, Any]:
    """`FULL_RANKING` as the release before admission, expiry and optimizers of rows would have stored it."""
    document = {name: value for name, value in FULL_RANKING.items() if name not in ("retention", "serving")}
    rules = ("admission", "expiry")
    slots = [{name: value for name, value in slot.items() if name not in rules} for slot in document["slots"]]
    optimizer = {"kind": "adagrad", "learning_rate": 0.02, "initial_accumulator": 0.3, "init_scale": 0.04}
    return {**document, "slots": slots, "sparse_optimizer": optimizer}
