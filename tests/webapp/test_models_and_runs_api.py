"""Schemas, model definitions and runs: versions, conflicts, and what workers report."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import TestCase

from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.client import DEFINITION, Api
from webapp.accounts.models import Project
from webapp.core.errors import Invalid
from webapp.core.jobs import QUEUES, Job
from webapp.core.redis_connection import redis_connection
from webapp.core.services import lease_acquire, lease_release
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.training import metric_thinning, selectors, services
from webapp.training.models import JoinerProgress, Publish, Run, RunMetric

SCHEMA: dict[str, Any] = {"items": {"price": {"type": "float"}}, "events": {"click": {"role": "action"}}}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def version(project: Project) -> ModelVersion:
    return model_publish(project=project, name="retrieval", document=DEFINITION)


def test_it_starts_with_a_schema_that_accepts_clicks(api: Api) -> None:
    assert api.get("/schema").json()["version"] == 1
    assert "click" in api.get("/schema").json()["document"]["events"]


def test_it_numbers_schemas_and_answers_the_current_one_for_the_same_document(api: Api) -> None:
    assert api.put("/schema", {"document": SCHEMA, "note": "prices"}).json()["version"] == 2
    assert api.put("/schema", {"document": api.get("/schema").json()["document"]}).json()["version"] == 2
    assert api.get("/schema").json()["note"] == "prices"


def test_it_judges_events_by_a_new_schema_at_once(api: Api) -> None:
    row = {"type": "like", "user_id": "u1", "item_id": "tea"}
    assert api.post("/events", [row]).status_code == 400
    api.put("/schema", {"document": {"events": {"like": {}}}})
    assert api.post("/events", [row]).json()["accepted"] == 1


def test_it_names_what_is_wrong_with_a_schema(api: Api) -> None:
    answer = api.put("/schema", {"document": {"events": {"Click": {}}, "colour": 1}})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_document")
    assert any(problem["field"] == "colour" for problem in answer.json()["extra"]["problems"])


def test_it_creates_a_model_once(api: Api, log: EventLog) -> None:
    body = {"name": "retrieval", "definition": DEFINITION}
    assert api.post("/models", body).status_code == 201
    answer = api.post("/models", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert log.partitions(topics.params("shop", "retrieval", 1)) == [0]


def test_it_makes_a_changed_definition_the_next_version(api: Api, log: EventLog) -> None:
    assert api.put("/models/retrieval", {"definition": DEFINITION}).json()["version"] == 1
    assert api.put("/models/retrieval", {"definition": DEFINITION}).json()["version"] == 1
    changed = {**DEFINITION, "training": {"batch_size": 64}}
    assert api.put("/models/retrieval", {"definition": changed}).json()["version"] == 2
    assert api.get("/models/retrieval").json()["definition"]["training"]["batch_size"] == 64
    assert api.get("/models/retrieval", version=1).json()["definition"]["training"]["batch_size"] == 512
    assert api.get("/models").json()["models"][0]["newest_version"] == 2
    assert log.partitions(topics.params("shop", "retrieval", 2)) == [0]
    assert api.get("/models/retrieval", version=3).status_code == 404


def test_it_refuses_a_definition_that_the_schema_does_not_bear(api: Api) -> None:
    slots = [*DEFINITION["slots"], {"name": "colour", "number": 3, "source": "item.colour", "dim": 8}]
    answer = api.put("/models/retrieval", {"definition": {**DEFINITION, "slots": slots}})
    assert answer.status_code == 400
    assert answer.json()["extra"]["problems"][0]["field"] == "slots.2.source"
    assert api.get("/models/retrieval").status_code == 404


@pytest.mark.parametrize("name", ["", "Upper", "with-hyphen", "x" * 64])
def test_it_refuses_a_name_that_is_not_one(api: Api, name: str) -> None:
    assert api.post("/models", {"name": name, "definition": DEFINITION}).status_code == 400


def test_it_starts_one_run_of_a_version_at_a_time(api: Api, version: ModelVersion) -> None:
    started = api.post("/models/retrieval/runs", {"mode": "batch", "until_time": "2026-01-31T12:00:00Z"})
    assert started.status_code == 201
    assert started.json()["state"] == "queued"
    answer = api.post("/models/retrieval/runs", {"mode": "online"})
    assert (answer.status_code, answer.json()["extra"]["run"]) == (409, started.json()["id"])
    assert api.post(f"/runs/{started.json()['id']}", {"action": "stop"}).json()["state"] == "stopped"
    assert api.post("/models/retrieval/runs", {"mode": "online"}).status_code == 201
    assert [run["mode"] for run in api.get("/models/retrieval/runs").json()["runs"]] == ["online", "batch"]


def test_it_sends_the_job_when_the_run_is_committed(version: ModelVersion) -> None:
    queue = QUEUES[Job.TRAIN_ONLINE]
    redis_connection().delete(queue)
    with TestCase.captureOnCommitCallbacks(execute=True):
        run = services.run_start(model_version=version, mode="online")
        assert redis_connection().llen(queue) == 0
    message = redis_connection().lpop(queue)
    assert Job.TRAIN_ONLINE.value.encode() in message  # type: ignore[operator]
    assert run.lease_name == f"trainer:{version.pk}"


@pytest.mark.parametrize(
    "body",
    [{}, {"mode": "nightly"}, {"mode": "online", "until_time": "2026-01-31T12:00:00Z"}, {"mode": "batch", "x": 1}],
)
def test_it_refuses_a_run_that_makes_no_sense(api: Api, version: ModelVersion, body: dict[str, Any]) -> None:
    assert api.post("/models/retrieval/runs", body).status_code == 400


def test_it_leaves_stopping_to_the_worker_that_is_on_it(version: ModelVersion) -> None:
    run = services.run_start(model_version=version, mode="online")
    token = lease_acquire(name=run.lease_name, holder="worker", ttl_s=60)
    assert token is not None
    services.run_started(run=run)
    stopping = services.run_stop(run=run)
    assert (stopping.wanted, stopping.state) == (False, Run.State.RUNNING)
    services.run_finished(run=run, state=Run.State.STOPPED)
    assert Run.objects.get(pk=run.pk).finished_at is not None


def test_it_revives_what_is_wanted_and_held_by_nobody(version: ModelVersion, project: Project) -> None:
    run = services.run_start(model_version=version, mode="online")
    assert selectors.runs_to_revive() == [run]
    token = lease_acquire(name=run.lease_name, holder="worker", ttl_s=60)
    assert selectors.runs_to_revive() == []
    lease_release(name=run.lease_name, holder="worker", token=token or 0)
    assert selectors.runs_to_revive() == [run]
    services.run_finished(run=run, state=Run.State.FAILED, error="no memory")
    assert selectors.runs_to_revive() == []


def test_it_counts_every_start_after_the_first_as_a_restart(version: ModelVersion) -> None:
    run = services.run_start(model_version=version, mode="online")
    services.run_started(run=run)
    first_start = run.started_at
    services.run_started(run=run)
    assert (run.num_restarts, run.started_at, run.state) == (1, first_start, "running")


def test_it_keeps_a_runs_curve_and_its_latest_values(api: Api, version: ModelVersion) -> None:
    run = services.run_start(model_version=version, mode="batch")
    assert services.run_report(
        run=run,
        values={"loss": 0.5, "auc": math.nan},
        num_examples=10,
        event_time=NOON,
        progress=0.3,
        end_offsets={0: 10},
    )
    described = api.get(f"/runs/{run.pk}").json()
    assert described["latest"] == {"loss": 0.5, "auc": None}
    assert (described["num_examples"], described["progress"], described["end_offsets"]) == (10, 0.3, {"0": 10})
    points = api.get(f"/runs/{run.pk}/metrics").json()["metrics"]
    assert [(point["num_examples"], point["event_time"]) for point in points] == [(10, "2026-01-31T12:00:00Z")]
    services.run_stop(run=run)
    assert not services.run_report(run=run, values={}, num_examples=10, event_time=None)


def test_it_thins_a_long_curve_evenly_and_keeps_its_newest_point(version: ModelVersion) -> None:
    run = services.run_start(model_version=version, mode="batch")
    RunMetric.objects.bulk_create(RunMetric(run=run, num_examples=number, values={}) for number in range(10))
    thinned = selectors.run_metrics(run=run, limit=4)
    assert [point.num_examples for point in thinned] == [0, 3, 6, 9]
    after = selectors.run_metrics(run=run, after_id=thinned[2].pk, limit=4)
    assert [point.num_examples for point in after] == [7, 8, 9]


def test_it_keeps_the_joiners_progress(project: Project) -> None:
    services.joiner_report(project=project, num_events=5, events_offsets={0: 5})
    services.joiner_report(project=project, num_examples=2)
    progress = JoinerProgress.objects.get(project=project)
    assert (progress.num_events, progress.num_examples, progress.events_offsets) == (5, 2, {"0": 5})
    with pytest.raises(Invalid):
        services.joiner_report(project=project, num_clouds=1)


def test_it_prunes_all_but_the_newest(version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_PUBLISHES_KEPT", 2)
    monkeypatch.setattr(metric_thinning, "NEWEST_KEPT", 3)
    monkeypatch.setattr(metric_thinning, "OLDER_KEPT", 1)
    monkeypatch.setattr(metric_thinning, "SLACK", 0)
    run = services.run_start(model_version=version, mode="batch")
    for number in range(5):
        services.publish_record(
            model_version=version, kind="rows", sequence=number, num_rows=1, num_deletes=0, num_bytes=9, event_time=None
        )
        services.run_report(run=run, values={}, num_examples=number, event_time=None)
    services.training_prune()
    assert list(Publish.objects.order_by("id").values_list("sequence", flat=True)) == [3, 4]
    assert list(RunMetric.objects.order_by("id").values_list("num_examples", flat=True)) == [0, 2, 3, 4]


def test_it_keeps_a_schema_for_running_models_apart_from_the_next(project: Project, version: ModelVersion) -> None:
    schema_publish(project=project, document=SCHEMA)
    assert ModelVersion.objects.get(pk=version.pk).document == version.document
