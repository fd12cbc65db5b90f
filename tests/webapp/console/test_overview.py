"""A project's home: the checklist opens step by step, health is measured, changes and findings are the project's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.webapp.client import DEFINITION, Api
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.alerts.models import Alert
from webapp.catalog.models import DeadEvent, Import, RejectedRow
from webapp.core.remembered import forget_everything
from webapp.overview.attention import Finding, attention_of
from webapp.overview.changes import changes_of
from webapp.overview.checklist import checklist_of
from webapp.overview.fresh import freshness_by_version
from webapp.overview.glance import glances_of
from webapp.overview.health import Standing, health_of, rate_text
from webapp.overview.live import overview_update
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.models import FreshnessPoint
from webapp.serving.services import deployment_put
from webapp.training.models import Run
from webapp.training.services import publish_record, run_finished, run_report, run_start, run_started

FULL_MS = {"loss": 0.5, "lag_records": 12}


@pytest.fixture
def version(project: Project) -> ModelVersion:
    return model_publish(project=project, name="finder", document=DEFINITION)


@pytest.fixture
def online(version: ModelVersion) -> Run:
    run = run_start(model_version=version, mode="online")
    run_started(run=run)
    run_report(run=run, values=FULL_MS, num_examples=500, event_time=None)
    return run


def messages(project: Project) -> list[str]:
    return [finding.message for finding in attention_of(project=project)]


def finding(project: Project, start: str) -> Finding:
    return next(one for one in attention_of(project=project) if one.message.startswith(start))


def test_it_says_of_each_step_what_it_waits_for(browser: Client, project: Project) -> None:
    steps = checklist_of(project=project, num_events=0).steps
    assert [(step.name, step.is_next, step.waits_for) for step in steps] == [
        ("Declare the schema", True, ""),
        ("Bring events", False, ""),
        ("Define a model", False, ""),
        ("Train it", False, "events and a model"),
        ("Deploy it", False, "a model that has learned"),
        ("Ask for a recommendation", False, "a deployment"),
        ("Keep learning online", False, "a model that has learned and a deployment"),
    ]
    text = Page(browser.get(f"/p/{project.slug}/").content.decode()).text
    assert "0 of 7 done" in text
    assert "Waits for events and a model." in text


def test_it_opens_the_next_step_when_one_is_done(project: Project, version: ModelVersion) -> None:
    schema_publish(project=project, document={"events": {"click": {"role": "action"}}})
    steps = checklist_of(project=project, num_events=3).steps
    assert [step.is_done for step in steps[:3]] == [True, True, True]
    assert steps[3].is_next
    assert steps[3].links == (("Train", f"/p/{project.slug}/models/finder/"),)
    run_report(run=run_start(model_version=version, mode="batch"), values={}, num_examples=9, event_time=None)
    assert checklist_of(project=project, num_events=3).steps[4].is_next


def test_it_folds_the_list_when_everything_is_done(browser: Client, project: Project, api: Api, online: Run) -> None:
    api.post("/events", {"events": [
        {"event_id": "e1", "type": "impression", "user_id": "ann", "items": ["tea"], "recommendation_id": "r1"}
    ]})  # fmt: skip
    deployment_put(project=project, name="main", retrieval=online.model_version, ranking=None)
    page = browser.get(f"/p/{project.slug}/").content.decode()
    assert "7 of 7 done" in page
    assert '<details class="panel checklist">' in page


def test_it_holds_freshness_against_the_objective(project: Project, online: Run) -> None:
    def measured(*wall_s: float) -> tuple[str, str, Standing]:
        FreshnessPoint.objects.all().delete()
        FreshnessPoint.objects.create(model_version=online.model_version, replica="replica-1", wall_s=list(wall_s))
        forget_everything()
        cell = next(one for one in health_of(project=project) if one.key == "freshness")
        return f"{cell.value} {cell.unit}", cell.verdict, cell.standing

    assert measured(*[0.5] * 19, 0.8) == ("0.50 s", "within 5 s", Standing.GOOD)
    assert measured(*[0.5] * 10, *[9.0] * 10) == ("9.0 s", "above 5 s", Standing.BAD)


def test_it_counts_an_outage_before_anything_arrives(project: Project, online: Run) -> None:
    FreshnessPoint.objects.create(model_version=online.model_version, replica="replica-1", wall_s=[], waiting_s=40.0)
    fresh = freshness_by_version([online.model_version_id])[online.model_version_id]
    assert fresh.p95_s is None
    assert fresh.worst_s == 40.0
    assert fresh.minutes_p95_s[-1] == 40.0


def test_it_shows_lag_and_links_each_number(browser: Client, project: Project, online: Run) -> None:
    cells = {cell.key: cell for cell in health_of(project=project)}
    assert list(cells) == ["events", "calls", "latency", "lag", "freshness", "errors"]
    assert cells["lag"].value == "12"
    assert all(browser.get(cell.url).status_code == 200 for cell in cells.values())


def test_rates_are_written_for_people() -> None:
    assert [rate_text(value) for value in (None, 0.0, 0.003, 0.26, 9.94, 12.6, 4321.0)] == [
        "–", "0.0", "0.003", "0.3", "9.9", "13", "4,321",
    ]  # fmt: skip


def test_it_finds_what_needs_attention_and_where_to_mend_it(
    browser: Client, project: Project, version: ModelVersion
) -> None:
    assert messages(project) == []
    run = run_start(model_version=version, mode="batch")
    run_finished(run=run, state=Run.State.FAILED, error="the log is gone")
    deployment_put(project=project, name="main", retrieval=version, ranking=None)
    RejectedRow.objects.create(project=project, source="api", row={}, problems=[])
    Import.objects.create(
        project=project,
        file_name="may.csv",
        fingerprint="f",
        state="failed",
        error="no such column",
        finished_at=timezone.now(),
    )
    dead(project)
    assert messages(project) == [
        "No replica has reported within 10 s",
        f"The batch run {run.pk} of finder v1 failed",
        "The import of may.csv failed",
        "1 event waits in the inbox",
        "1 row was refused in the last 24 hours",
    ]
    assert finding(project, "The batch run").about == "the log is gone"
    assert all(browser.get(one.url).status_code == 200 for one in attention_of(project=project))


def dead(project: Project) -> DeadEvent:
    return DeadEvent.objects.create(
        project=project, partition=0, offset=1, reason="not_json", field="(record)", rule="must be JSON", value="{",
        value_bytes=1, is_whole=True, timestamp_ms=1, buried_at=timezone.now(),
    )  # fmt: skip


def test_a_failed_run_is_forgiven_when_a_newer_one_follows(project: Project, version: ModelVersion) -> None:
    run_finished(run=run_start(model_version=version, mode="batch"), state=Run.State.FAILED, error="no")
    run_start(model_version=version, mode="batch")
    assert messages(project) == []


def test_it_finds_a_model_that_learned_and_answers_nowhere(project: Project, online: Run) -> None:
    assert messages(project) == ["finder v1 is not deployed"]


def test_it_finds_what_is_served_later_than_promised(project: Project, online: Run) -> None:
    deployment_put(project=project, name="main", retrieval=online.model_version, ranking=None)
    FreshnessPoint.objects.create(model_version=online.model_version, replica="replica-1", wall_s=[7.2])
    assert "What finder v1 learns is served after 7.2 s, and should be within 5 s" in messages(project)


def test_an_open_alert_comes_first_and_is_not_said_twice(project: Project, version: ModelVersion) -> None:
    run_finished(run=run_start(model_version=version, mode="batch"), state=Run.State.FAILED, error="no")
    values: dict[str, Any] = {"value": 1, "peak": 1, "threshold": 0, "since": timezone.now() - timedelta(minutes=3)}
    Alert.objects.create(project=project, kind="run_failed", state="firing", message="A run of finder failed", **values)
    assert messages(project) == ["A run of finder failed"]


def test_changes_are_the_newest_of_every_kind(browser: Client, project: Project, online: Run) -> None:
    publish_record(
        model_version=online.model_version,
        kind="rows",
        sequence=7,
        num_rows=30,
        num_deletes=0,
        num_bytes=900,
        event_time=None,
    )
    run_finished(run=online, state=Run.State.STOPPED)
    whats = [change.what for change in changes_of(project=project)]
    assert whats[:3] == [
        f"Online run {online.pk} of finder v1 was stopped",
        "finder v1 published sequence 7",
        f"Online run {online.pk} of finder v1 started",
    ]
    assert "finder v1 was defined" in whats
    assert "Schema version 1" in whats
    assert all(browser.get(change.url).status_code == 200 for change in changes_of(project=project) if change.url)


def test_nothing_of_another_project_is_shown(
    project: Project, other_project: Project, online: Run, browser: Client
) -> None:
    dead(project)
    assert messages(other_project) == []
    assert [change.what for change in changes_of(project=other_project)] == ["Schema version 1"]
    assert browser.get(f"/p/{other_project.slug}/").status_code == 404
    page = Page(browser.get("/").content.decode()).text
    assert project.name in page
    assert other_project.name not in page


def test_projects_stand_side_by_side(project: Project, other_project: Project, online: Run) -> None:
    Alert.objects.create(
        project=other_project,
        kind="disk",
        state="firing",
        message="full",
        value=95,
        peak=95,
        threshold=90,
        since=timezone.now(),
    )
    FreshnessPoint.objects.create(model_version=online.model_version, replica="replica-1", wall_s=[0.7])
    glances = {one.project.slug: one for one in glances_of([project, other_project])}
    assert glances[project.slug].verdict == "learning"
    assert glances[project.slug].freshness_s == 0.7
    assert glances[other_project.slug].verdict == "needs attention"
    assert glances[other_project.slug].num_alerts == 1


def test_its_stream_carries_the_parts_of_the_page(browser: Client, project: Project, online: Run) -> None:
    page = Page(browser.get(f"/p/{project.slug}/").content.decode())
    update = overview_update(project, with_lists=True)
    assert sorted(update["parts"]) == ["attention", "changes", "health", "totals"]
    places = {one["id"] for tag in ("ul", "dl") for one in page.all(tag) if one.get("id")}
    assert set(update["parts"]) <= places
    assert list(overview_update(project, with_lists=False)["parts"]) == ["health"]
