"""Periodic tasks go on with the connections of those before them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery.signals import task_prerun
from django.db import connection

from webapp.core.jobs import Job
from webapp.core.kept_connections.base import keep_connections
from workers.celery_app import app


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    keep_connections(False)


def backend_of_a_task(job: Job, *, is_eager: bool = False) -> int:
    """What PostgreSQL calls the connection of a task that begins, asks, and is over, when Celery closes what it used."""
    task = app.tasks[job.value]
    task.push_request(is_eager=is_eager)
    try:
        task_prerun.send(sender=task, task_id="one", task=task)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])
    finally:
        task.pop_request()
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_periodic_task_after_another_uses_the_same_connection() -> None:
    assert len({backend_of_a_task(job) for job in (Job.REVIVE, Job.FEEDBACK, Job.REVIVE)}) == 1


@pytest.mark.django_db(transaction=True)
def test_a_long_job_and_an_eager_call_leave_no_connection_behind() -> None:
    assert backend_of_a_task(Job.REVIVE, is_eager=True) != backend_of_a_task(Job.REVIVE, is_eager=True)
    assert backend_of_a_task(Job.TRAIN_BATCH) != backend_of_a_task(Job.TRAIN_BATCH)
