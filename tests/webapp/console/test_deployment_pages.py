"""The console's pages of a deployment's document and revisions, and of an experiment."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from engine.spec.deployment import DeploymentDocument
from tests.webapp.client import DEFINITION, RANKING_DEFINITION
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.accounts.services import DEFAULT_SCHEMA
from webapp.experiments.models import ArmUserCount, Experiment, Replay
from webapp.experiments.results import results_update
from webapp.experiments.selectors import experiment_get
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.deployment_selectors import deployment_get
from webapp.serving.models import Deployment, DeploymentRevision
from webapp.serving.services import deployment_put

FULL: dict[str, Any] = {
    "retrieval": {
        "sources": [{"kind": "latest", "quota": 7}, {"kind": "nearest", "quota": 50}],
        "max_candidates": 40,
    },
    "score": {"kind": "product", "weights": {"click": 1.5}},
    "calibration": {"click": {"slope": 0.9, "intercept": -0.1}},
    "filter": "item.price < $max",
    "seen": {"policy": "demote", "event_types": ["click"], "window_s": 3600, "demote_to": 0.25},
    "boosts": [{"when": "item.price < 9", "multiply": 2}, {"when": "item.category = 'tea'", "add": -0.5}],
    "promotions": [
        {"name": "ours", "items": ["a", "b"], "slots": [1, 3]},
        {"name": "cheap", "when": "item.price < 1", "slots": [2]},
    ],
    "caps": [{"property": "category", "max_items": 3}],
    "diversity": {"kind": "mmr", "by": "category", "strength": 0.4},
    "exploration": {"kind": "thompson", "scale": 0.2},
    "parameters": {"max": 100},
    "impressions": {"logging": "behind"},
    "timeout_ms": 250,
}


@pytest.fixture
def deployments(project: Project) -> list[Deployment]:
    items = {"category": {"type": "string"}, "price": {"type": "float"}}
    schema_publish(project=project, document={**DEFAULT_SCHEMA, "items": items})
    retrieval = model_publish(project=project, name="retrieval", document=DEFINITION)
    ranking = model_publish(project=project, name="ranking", document=RANKING_DEFINITION)
    return [
        deployment_put(project=project, name=name, retrieval=retrieval, ranking=ranking) for name in ("main", "next")
    ]


def editor(project: Project) -> str:
    return reverse("deployment_document", args=[project.slug, "main"])


def controls_of(page: Page) -> dict[str, str]:
    """What a browser would post: every control of the form, as it stands."""
    posted: dict[str, str] = {}
    selected: str | None = None
    for tag, given in page.tags:
        name = given.get("name")
        if tag == "input" and name and given.get("type") in ("text", "hidden"):
            posted[name] = given.get("value") or ""
        elif tag == "select":
            selected = name
        elif tag == "option" and selected and "selected" in given:
            posted[selected] = given.get("value") or ""
    return posted


def textareas(html: str) -> dict[str, str]:
    from html import unescape
    from re import DOTALL, findall

    return {
        name: unescape(text)
        for name, text in findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', html, DOTALL)
    }


def form_of(html: str) -> dict[str, str]:
    return {**controls_of(Page(html)), **textareas(html)}


def test_it_loses_nothing_between_document_form_and_document(
    browser: Client, project: Project, deployments: list[Deployment]
) -> None:
    whole = DeploymentDocument.parse(FULL).as_json()
    deployment_put(
        project=project, name="main", retrieval=deployments[0].retrieval, ranking=deployments[0].ranking, document=FULL
    )
    html = browser.get(editor(project)).content.decode()
    page = Page(html)
    assert page.unlabelled == []
    assert page.inline_scripts == []
    saved = browser.post(editor(project), {**form_of(html), "action": "save", "note": "as it was"})
    assert saved.status_code == 302, Page(saved.content.decode()).text
    assert deployment_get(project=project, name="main").document == whole
    assert deployment_get(project=project, name="main").revision == 2, "what did not change is no revision"


def test_it_saves_what_is_typed_as_a_revision_of_whoever_typed_it(
    browser: Client, project: Project, deployments: list[Deployment]
) -> None:
    posted = form_of(browser.get(editor(project)).content.decode())
    posted |= {
        "whole.filter": "item.price < 20",
        "sources.random": "5",
        "sources.trending_1h": "",
        "diversity.kind": "dpp",
        "diversity.dpp.by": "category",
        "diversity.dpp.strength": "0.5",
        "note": "cheap only",
    }
    assert browser.post(editor(project), {**posted, "action": "save"}).status_code == 302
    saved = deployment_get(project=project, name="main")
    assert saved.document["filter"] == "item.price < 20"
    assert saved.document["diversity"] == {"kind": "dpp", "by": "category", "strength": 0.5, "among": 100}
    assert [one["kind"] for one in saved.document["retrieval"]["sources"]] == [
        "nearest", "item_to_item", "trending_24h", "latest", "random",
    ]  # fmt: skip
    newest = DeploymentRevision.objects.get(deployment=saved, number=2)
    assert (newest.created_by, newest.note) == ("member", "cheap only")


def test_it_adds_and_takes_away_rows_without_losing_what_was_typed(
    browser: Client, project: Project, deployments: list[Deployment]
) -> None:
    posted = form_of(browser.get(editor(project)).content.decode()) | {"whole.filter": "item.price < 20"}
    html = browser.post(editor(project), {**posted, "action": "add:boosts"}).content.decode()
    assert form_of(html)["whole.filter"] == "item.price < 20"
    posted = form_of(html) | {"boosts.0.when": "item.price < 3"}
    html = browser.post(editor(project), {**posted, "action": "add:boosts"}).content.decode()
    posted = form_of(html) | {"boosts.1.when": "item.price < 4"}
    html = browser.post(editor(project), {**posted, "action": "remove:boosts.0"}).content.decode()
    assert form_of(html)["boosts.0.when"] == "item.price < 4"
    assert "boosts.1.when" not in form_of(html)
    assert not DeploymentRevision.objects.filter(number=2).exists()


def test_it_says_what_is_wrong_at_the_field(browser: Client, project: Project, deployments: list[Deployment]) -> None:
    posted = form_of(browser.get(editor(project)).content.decode())
    posted |= {
        "whole.filter": "item.colour = 'red'",
        "boosts.0.when": "item.price <",
        "diversity.kind": "mmr",
        "diversity.mmr.strength": "2",
        "sources.latest": "many",
        "whole.timeout_ms": "1",
    }
    answer = browser.post(editor(project), {**posted, "action": "save"})
    assert answer.status_code == 400
    page = Page(answer.content.decode())
    wrong = {given.get("name") for _, given in page.tags if given.get("aria-invalid") == "true"}
    assert {"diversity.mmr.strength", "sources.latest", "whole.timeout_ms"} <= wrong
    posted |= {"diversity.mmr.strength": "0.5", "sources.latest": "9", "whole.timeout_ms": "100"}
    page = Page(browser.post(editor(project), {**posted, "action": "save"}).content.decode())
    wrong = {given.get("name") for _, given in page.tags if given.get("aria-invalid") == "true"}
    assert {"whole.filter", "boosts.0.when"} <= wrong
    assert "at character" in page.text


def test_it_takes_the_document_as_json_and_shows_it_as_the_form(
    browser: Client, project: Project, deployments: list[Deployment]
) -> None:
    posted = form_of(browser.get(editor(project)).content.decode())
    text = textareas(browser.post(editor(project), {**posted, "action": "as_text"}).content.decode())["document"]
    changed = text.replace('"timeout_ms": 500', '"timeout_ms": 123')
    form = browser.post(editor(project), {"document": changed, "action": "as_form"}).content.decode()
    assert form_of(form)["whole.timeout_ms"] == "123"
    assert browser.post(editor(project), {"document": changed, "action": "save"}).status_code == 302
    assert deployment_get(project=project, name="main").document["timeout_ms"] == 123
    for broken, complaint in (("{", "is not JSON"), ('{"timeout_ms": 0}', "timeout_ms"), ("[]", "valid")):
        answer = browser.post(editor(project), {"document": broken, "action": "save"})
        assert answer.status_code == 400
        assert complaint in Page(answer.content.decode()).text
        assert textareas(answer.content.decode())["document"] == broken


def test_it_lists_revisions_with_their_differences_and_goes_back(
    browser: Client, project: Project, deployments: list[Deployment]
) -> None:
    shown = deployments[0]
    deployment_put(
        project=project,
        name="main",
        retrieval=shown.retrieval,
        ranking=None,
        document={"timeout_ms": 99},
        note="faster",
    )
    address = reverse("deployment", args=[project.slug, "main"])
    page = Page(browser.get(address).content.decode())
    assert "Timeout : 500 ms → 99 ms" in page.text
    assert "removed: Ranking model" in page.text
    assert "faster" in page.text
    back = reverse("deployment_roll_back", args=[project.slug, "main"])
    assert browser.post(back, {"revision": "1"}, follow=True).status_code == 200
    restored = deployment_get(project=project, name="main")
    assert (restored.revision, restored.document["timeout_ms"], restored.ranking) == (3, 500, shown.ranking)
    assert "has no revision 9" in browser.post(back, {"revision": "9"}, follow=True).content.decode()


def started(browser: Client, project: Project, deployments: list[Deployment], **more: str) -> Experiment:
    posted = {"name": "first", f"share_{deployments[0].pk}": "60", f"share_{deployments[1].pk}": "40", **more}
    answer = browser.post(reverse("experiments", args=[project.slug]), posted)
    assert answer.status_code == 302, Page(answer.content.decode()).text
    return experiment_get(project=project, name="first")


def test_it_starts_an_experiment_with_holdout_guardrail_and_shadow(
    browser: Client, project: Project, deployments: list[Deployment]
) -> None:
    main, other = deployments
    more = {
        f"share_{main.pk}": "90", f"share_{other.pk}": "", "holdout": "10", f"shadow_{other.pk}": "25",
        "control": "holdout", "metric": "purchase_rate", "guardrail_metric": "click_rate", "guardrail_harm": "decrease",
        "guardrail_tolerance": "5",
    }  # fmt: skip
    experiment = started(browser, project, deployments, **more)
    assert [(arm.name, arm.kind, arm.share, arm.is_control) for arm in experiment.arms.all()] == [
        ("main", "traffic", 9000, False),
        ("holdout", "holdout", 1000, True),
        ("next", "shadow", 2500, False),
    ]
    (rail,) = experiment.guardrails.all()
    assert (rail.metric, rail.harm, rail.tolerance) == ("click_rate", "decrease", 0.05)
    assert (experiment.metric, experiment.created_by) == ("purchase_rate", "member")


def test_it_draws_differences_and_promotes_an_arm(
    browser: Client, project: Project, deployments: list[Deployment]
) -> None:
    experiment = started(browser, project, deployments)
    rows = [("main", user, "", 10) for user in range(300)] + [("next", user, "", 10) for user in range(300)]
    rows += [("main", user, "click", 1) for user in range(300)] + [("next", user, "click", 3) for user in range(300)]
    ArmUserCount.objects.bulk_create(
        ArmUserCount(project=project, experiment="first", arm=arm, user=user, type=kind, num=num)
        for arm, user, kind, num in rows
    )
    results_update(experiment=experiment)
    address = reverse("experiment", args=[project.slug, "first"])
    page = Page(browser.get(address).content.decode())
    assert "click_rate, difference to the control: next +200.0%" in page.text
    assert page.all("tr", class_="up")
    assert "surely more" in page.text
    assert page.all("svg", class_="split-bar")[0]["aria-label"] == "Traffic: main 60%, next 40%"
    assert page.unlabelled == []

    act = reverse("experiment_act", args=[project.slug, "first"])
    assert (
        "next answers by default"
        in browser.post(act, {"action": "promote", "arm": "next"}, follow=True).content.decode()
    )
    assert deployment_get(project=project, name="next").is_default
    assert "main answers by default again" in browser.post(act, {"action": "roll_back"}, follow=True).content.decode()
    assert deployment_get(project=project, name="main").is_default
    assert browser.post(act, {"action": "promote", "arm": "nobody"}).status_code == 404


def test_it_stops_an_arm_from_the_page(browser: Client, project: Project, deployments: list[Deployment]) -> None:
    started(browser, project, deployments)
    act = reverse("experiment_act", args=[project.slug, "first"])
    page = Page(browser.post(act, {"action": "stop_arm", "arm": "next"}, follow=True).content.decode())
    assert "by member" in page.text
    assert "cannot be stopped" in browser.post(act, {"action": "stop_arm", "arm": "main"}, follow=True).content.decode()


def test_it_replays_logged_traffic_and_shows_what_came_of_it(
    browser: Client, project: Project, deployments: list[Deployment]
) -> None:
    address = reverse("deployment", args=[project.slug, "main"])
    page = Page(browser.get(address).content.decode())
    assert page.unlabelled == []
    begin = reverse("deployment_replay", args=[project.slug, "main"])
    wishes = {"event_type": "click", "logged": "next", "hours": "3", "max_answers": "100"}
    assert browser.post(begin, {**wishes, "hours": "0"}, follow=True).status_code == 200
    assert not Replay.objects.exists()
    browser.post(begin, wishes)
    replay = Replay.objects.get()
    assert (replay.logged, replay.hours, replay.max_answers, replay.created_by) == ("next", 3, 100, "member")
    watched = reverse("deployment_replays", args=[project.slug, "main"])
    assert 'hx-trigger="every 2s"' in browser.get(watched).content.decode()
    estimate = {"value": 0.25, "low": 0.2, "high": 0.3}
    results: dict[str, Any] = {
        "effective_size": 12.0,
        "match_share": 0.5,
        "explored_share": 0.1,
        "warnings": ["too few"],
    }
    for name in ("logged", "ips", "snips", "dr"):
        results[name] = estimate
    Replay.objects.update(state="succeeded", wanted=False, results=results, num_answers=40, revision=1)
    text = Page(browser.get(address).content.decode()).text
    assert "doubly robust 0.25 0.2 to 0.3" in text
    assert "too few" in text
    assert "every 2s" not in browser.get(watched).content.decode()
    Replay.objects.update(state="queued", wanted=True)
    browser.post(reverse("replay_stop", args=[project.slug, replay.pk]))
    replay.refresh_from_db()
    assert replay.state == "stopped"
