"""A stopped run goes on, a checkpoint is asked for, and a run's log is bounded."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from django.test import TestCase

from tests.webapp.client import DEFINITION, Api
from webapp.accounts.models import Project
from webapp.core.errors import Conflict
from webapp.core.jobs import QUEUES, Job
from webapp.core.redis_connection import redis_connection
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish
from webapp.training import run_log as log_of_runs
from webapp.training.models import Run, RunLogLine, RunOrder
from webapp.training.resuming import run_resume
from webapp.training.run_log import Line, run_log, run_log_after, run_log_append
from webapp.training.run_orders import checkpoint_order, order_done, order_taken, orders_open, orders_shown
from webapp.training.services import run_finished, run_start, run_started

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def version(project: Project) -> ModelVersion:
    return model_publish(project=project, name="m", document=DEFINITION)


@pytest.fixture
def run(version: ModelVersion) -> Run:
    return run_start(model_version=version, mode="online")


def lines(*levels: int) -> list[Line]:
    return [Line(NOON, level, "engine.training", f"line {number}") for number, level in enumerate(levels)]


def test_it_goes_on_with_a_failed_run_as_if_nothing_had_failed(run: Run) -> None:
    run_started(run=run)
    run_finished(run=run, state="failed", error="boom")
    Run.objects.filter(pk=run.pk).update(num_failures=5, num_examples=70)
    queue = QUEUES[Job.TRAIN_ONLINE]
    redis_connection().delete(queue)
    with TestCase.captureOnCommitCallbacks(execute=True):
        resumed = run_resume(run=run)
    assert (resumed.state, resumed.wanted, resumed.error, resumed.finished_at) == ("queued", True, "", None)
    assert (resumed.num_failures, resumed.num_examples) == (0, 70)
    assert redis_connection().llen(queue) == 1
    redis_connection().delete(queue)


def test_it_refuses_to_go_on_with_a_run_that_works_succeeded_or_was_overtaken(run: Run, version: ModelVersion) -> None:
    with pytest.raises(Conflict, match="is queued"):
        run_resume(run=run)
    run_finished(run=run, state="succeeded")
    with pytest.raises(Conflict, match="is succeeded"):
        run_resume(run=run)
    run_finished(run=run, state="stopped")
    later = run_start(model_version=version, mode="batch")
    with pytest.raises(Conflict, match=f"Run {later.pk} came later"):
        run_resume(run=run)


def test_it_asks_a_running_run_for_one_checkpoint_at_a_time(run: Run) -> None:
    with pytest.raises(Conflict, match="is queued"):
        checkpoint_order(run=run)
    run_started(run=run)
    order = checkpoint_order(run=run, asked_by="member")
    assert checkpoint_order(run=run) == order
    order_taken(order=order)
    order_done(order_id=order.pk, num_examples=500)
    assert not orders_open(run=run).exists()
    (shown,) = orders_shown(run=run)
    assert (shown.asked_by, shown.num_examples, shown.done_at is None) == ("member", 500, False)
    assert checkpoint_order(run=run) != order


def test_it_stops_resumes_and_saves_by_api(api: Api, run: Run) -> None:
    assert api.post(f"/runs/{run.pk}", {"action": "checkpoint"}).status_code == 409
    assert api.post(f"/runs/{run.pk}", {"action": "stop"}).json()["state"] == "stopped"
    assert api.post(f"/runs/{run.pk}", {"action": "resume"}).json()["state"] == "queued"
    run_started(run=run)
    assert api.post(f"/runs/{run.pk}", {"action": "checkpoint"}).status_code == 200
    assert RunOrder.objects.get().asked_by == "API"
    assert api.post(f"/runs/{run.pk}", {"action": "rewind"}).status_code == 400


def test_it_keeps_the_newest_lines_of_each_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_of_runs, "MAX_LINES", 3)
    run_log_append(run_id=run.pk, lines=lines(20, 20))
    run_log_append(run_id=run.pk, lines=lines(30, 40, 20, 20)[1:])
    assert [line.message for line in RunLogLine.objects.order_by("id")] == ["line 1", "line 2", "line 3"]


def test_it_filters_by_level_and_pages_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_of_runs, "LINES_SHOWN", 2)
    run_log_append(run_id=run.pk, lines=lines(20, 30, 20, 40))
    newest = run_log(run=run)
    assert [line.message for line in newest] == ["line 2", "line 3"]
    assert [line.message for line in run_log(run=run, before_id=newest[0].pk)] == ["line 0", "line 1"]
    assert [line.message for line in run_log(run=run, level=logging.WARNING)] == ["line 1", "line 3"]
    assert [line.message for line in run_log_after(run=run, after_id=newest[0].pk)] == ["line 3"]


def test_it_keeps_both_ends_of_a_long_message(run: Run) -> None:
    run_log_append(run_id=run.pk, lines=[Line(NOON, 40, "x", "a" * 9_000 + "\x00end")])
    (line,) = run_log(run=run)
    assert len(line.message) <= log_of_runs.MAX_MESSAGE
    assert line.message.startswith("aaa") and line.message.endswith("�end") and "characters left out" in line.message
