"""Pages of runs: the list and its filters, comparisons at a stable address, curves as JSON, the log, what can be done."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from engine.spec.demo import demo_ranker, demo_schema
from tests.webapp.client import DEFINITION
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.training import run_list
from webapp.training.comparing import MAX_RUNS, differences, run_ids
from webapp.training.live import log_update
from webapp.training.models import Run, RunOrder
from webapp.training.run_log import Line, run_log_append
from webapp.training.services import run_report, run_started

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def versions(project: Project) -> list[ModelVersion]:
    other = {**DEFINITION, "training": {"batch_size": 64}}
    return [model_publish(project=project, name="retrieval", document=document) for document in (DEFINITION, other)]


def made(version: ModelVersion, **more: Any) -> Run:
    values: dict[str, Any] = {"mode": "online", "state": "stopped", "wanted": False} | more
    return Run.objects.create(project=version.model.project, model_version=version, **values)


def text_of(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def listed(browser: Client, project: Project, query: str = "") -> list[int]:
    answer = browser.get(f"/p/{project.slug}/runs/?{query}")
    return [run.pk for run in answer.context["shown"].runs]


def test_it_filters_runs_and_pages_them_by_key(
    browser: Client, project: Project, versions: list[ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_list, "PAGE_SIZE", 2)
    runs = [made(versions[0], state=state).pk for state in ("failed", "stopped", "failed", "failed")]
    batch = made(versions[1], mode="batch", state="succeeded").pk
    assert listed(browser, project) == [batch, runs[3]]
    assert listed(browser, project, "mode=batch") == [batch]
    assert listed(browser, project, "state=failed") == [runs[3], runs[2]]
    assert listed(browser, project, f"state=failed&before={runs[2]}") == [runs[0]]
    assert listed(browser, project, f"state=failed&after={runs[0]}") == [runs[3], runs[2]]
    assert listed(browser, project, "model=other") == []
    page = text_of(browser, f"/p/{project.slug}/runs/?state=failed")
    assert f"?state=failed&amp;before={runs[2]}" in page and "Newer" not in page
    assert "No run is like that" in text_of(browser, f"/p/{project.slug}/runs/?model=other")
    assert listed(browser, project, "state=odd&before=x") == [batch, runs[3]]


def test_it_compares_runs_at_an_address_that_names_them(
    browser: Client, project: Project, versions: list[ModelVersion]
) -> None:
    first, second = (made(version) for version in versions)
    run_report(run=first, values={"auc": 0.625, "loss": 0.5}, num_examples=10, event_time=None)
    run_report(run=second, values={"auc": 0.75, "loss": 0.25}, num_examples=10, event_time=None)
    compare = reverse("run_compare", args=[project.slug])
    chosen = browser.get(f"{compare}?runs={first.pk}&run={second.pk}")
    assert (chosen.status_code, chosen["Location"]) == (302, f"{compare}?runs={first.pk},{second.pk}")
    answer = browser.get(chosen["Location"])
    assert [row.values for row in answer.context["differences"]] == [["512", "64"]]
    best = {row.label: row.best for row in answer.context["metrics"]}
    assert best["AUC"] == {1} and best["Loss"] == set()
    curves = browser.get(reverse("run_compare_curves", args=[project.slug]), {"runs": f"{first.pk},{second.pk}"}).json()
    assert [run["columns"]["auc"] for run in curves["runs"]] == [[0.625], [0.75]]


def test_it_says_which_run_is_not_there_and_never_shows_another_projects(
    browser: Client, project: Project, other_project: Project, versions: list[ModelVersion]
) -> None:
    own = made(versions[0])
    schema_publish(project=other_project, document=demo_schema())
    foreign = made(model_publish(project=other_project, name="secret", document=demo_ranker()))
    page = text_of(browser, f"/p/{project.slug}/runs/compare?runs={own.pk},{foreign.pk}")
    assert f"There is no run {foreign.pk} in this project" in page and "secret" not in page
    answer = browser.get(reverse("run_compare_curves", args=[project.slug]), {"runs": foreign.pk})
    assert answer.json() == {"runs": []}
    for name in ("run", "run_curves", "run_log", "run_tables", "run_quality", "run_details", "run_slice_curves"):
        assert browser.get(reverse(name, args=[project.slug, foreign.pk])).status_code == 404


def test_it_reads_only_ids_and_not_too_many() -> None:
    assert run_ids(["3,5", "5, x,-1,²,9"]) == [3, 5, 9]
    assert len(run_ids([",".join(map(str, range(100)))])) == MAX_RUNS


def test_it_finds_differences_by_name_wherever_they_stand(versions: list[ModelVersion]) -> None:
    first, second = (made(version) for version in versions)
    first.model_version.document = {"slots": [{"name": "a", "dim": 8}, {"name": "b", "dim": 8}]}
    second.model_version.document = {"slots": [{"name": "b", "dim": 16}]}
    found = {row.path: row.values for row in differences([first, second])}
    assert found == {"slots.a.name": ['"a"', None], "slots.a.dim": ["8", None], "slots.b.dim": ["8", "16"]}


def test_it_answers_a_runs_curves_in_columns(browser: Client, project: Project, versions: list[ModelVersion]) -> None:
    run = made(versions[0])
    for number in range(3):
        values = {"auc": 0.5 + number / 8, "slices": {"users": {"new": {"auc": 0.25, "num_scores": 1}}}}
        run_report(run=run, values=values, num_examples=number, event_time=None)
    answer = browser.get(reverse("run_curves", args=[project.slug, run.pk])).json()
    assert answer["columns"]["auc"] == [0.5, 0.625, 0.75]
    assert answer["after"] == run.metrics.order_by("-id").values_list("pk", flat=True)[0]
    assert (
        browser.get(reverse("run_curves", args=[project.slug, run.pk]), {"since": "1e99", "until": "x"}).json()
        == answer
    )
    assert browser.get(reverse("run_curves", args=[project.slug, run.pk]), {"until": "1"}).json()["columns"] == {
        "at_s": [],
        "num_examples": [],
    }
    slices = browser.get(reverse("run_slice_curves", args=[project.slug, run.pk]), {"slice": "users"}).json()
    assert slices["columns"]["new.auc"] == [0.25, 0.25, 0.25]
    page = text_of(browser, f"/p/{project.slug}/runs/{run.pk}/")
    assert '<polyline class="s1"' in page


def test_it_saves_stops_and_goes_on_by_buttons(browser: Client, project: Project, versions: list[ModelVersion]) -> None:
    run = made(versions[0], state="queued", wanted=True)
    run_started(run=run)
    address = f"/p/{project.slug}/runs/{run.pk}/"
    browser.post(reverse("run_checkpoint", args=[project.slug, run.pk]), follow=True)
    assert RunOrder.objects.get().asked_by == "member"
    assert "A checkpoint was asked for" in text_of(browser, address)
    browser.post(reverse("run_stop", args=[project.slug, run.pk]), follow=True)
    page = text_of(browser, address)
    assert "Resume the run" in page and "Checkpoint now" not in page
    browser.post(reverse("run_resume", args=[project.slug, run.pk]), follow=True)
    run.refresh_from_db()
    assert (run.state, run.wanted) == ("queued", True)
    refused = browser.post(reverse("run_resume", args=[project.slug, run.pk]), follow=True)
    assert "only a stopped or failed run can go on" in refused.content.decode()


def test_it_shows_the_log_by_level_with_what_was_said_escaped(
    browser: Client, project: Project, versions: list[ModelVersion]
) -> None:
    run = made(versions[0])
    address = f"/p/{project.slug}/runs/{run.pk}/log"
    assert "This run logged nothing" in text_of(browser, address)
    run_log_append(
        run_id=run.pk,
        lines=[
            Line(NOON, logging.INFO, "workers.runs", "begins"),
            Line(NOON, logging.ERROR, "engine.training", "<b>broken</b>"),
        ],
    )
    page = text_of(browser, address)
    assert "begins" in page and "&lt;b&gt;broken&lt;/b&gt;" in page and "2026-01-31 12:00:00" in page
    errors = text_of(browser, f"{address}?level=error")
    assert "begins" not in errors and "broken" in errors
    assert Page(errors).unlabelled == []
    first = run.log_lines.order_by("id")[0].pk
    update = log_update(project=project, run_id=run.pk, after_id=first, level="info")
    assert "broken" in update["html"] and "begins" not in update["html"] and update["ended"]
    again = log_update(project=project, run_id=run.pk, after_id=update["after"], level="info")
    assert (again["html"], again["after"]) == ("", update["after"])


def test_it_says_how_to_open_the_event_files(
    browser: Client, project: Project, versions: list[ModelVersion], settings: Any, tmp_path: Any
) -> None:
    settings.DATA_DIR = tmp_path
    run = made(versions[0])
    address = f"/p/{project.slug}/runs/{run.pk}/details"
    assert "No event files are there" in text_of(browser, address)
    (tmp_path / "tensorboard" / "shop" / "retrieval-v1" / f"run-{run.pk}").mkdir(parents=True)
    assert f"tensorboard --logdir {tmp_path}/tensorboard/shop" in text_of(browser, address)
