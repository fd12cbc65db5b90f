"""A worker process says that it lives, and what came of a periodic task."""

from __future__ import annotations

import json
import os

import pytest

from webapp.core.jobs import Job
from webapp.core.redis_connection import redis_connection
from webapp.jobs.pulse import pulse_now
from workers.celery_app import app
from workers.pulse import PulseStep


class Timer:
    """Turns by hand."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, object]] = []
        self.is_cancelled = False

    def call_repeatedly(self, every_s: float, call: object) -> Timer:
        self.calls.append((every_s, call))
        return self

    def cancel(self) -> None:
        self.is_cancelled = True


class Parent:
    concurrency = 2
    app = app

    def __init__(self) -> None:
        self.timer = Timer()


def own_workers() -> list[int]:
    pulse = pulse_now()
    assert pulse is not None
    keys = redis_connection().keys("freshet:worker:*")
    found = [json.loads(redis_connection().get(key) or b"{}") for key in keys]
    return [one["concurrency"] for one in found if one["pid"] == os.getpid()]


def test_worker_is_known_while_it_lives(servers: object) -> None:
    parent = Parent()
    step = PulseStep(parent)
    step.start(parent)
    assert own_workers() == [2]
    assert [every_s for every_s, _ in parent.timer.calls] == [5.0]
    step.stop(parent)
    assert own_workers() == []
    assert parent.timer.is_cancelled


@pytest.mark.django_db
def test_periodic_task_leaves_its_last_result(monkeypatch: pytest.MonkeyPatch) -> None:
    import workers.tasks.canary

    monkeypatch.setattr(workers.tasks.canary, "projects_learning_online", list)
    app.tasks[Job.CANARY.value].apply()
    assert last_error() == ""

    def fail() -> list[object]:
        raise OSError("no disk")

    monkeypatch.setattr(workers.tasks.canary, "projects_learning_online", fail)
    app.tasks[Job.CANARY.value].apply()
    assert last_error() == "OSError"


def last_error() -> str:
    pulse = pulse_now()
    assert pulse is not None
    return next(one.error for one in pulse.last_runs if one.task == Job.CANARY.value)
