"""Periodic tasks go on with the connections of those before them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery.signals import task_prerun
from django.db import connection

from webapp.core.kept_connections.base import keep_connections
from workers.tasks.feedback import feedback
from workers.tasks.revive import revive
from workers.tasks.train_batch import train_batch


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    keep_connections(False)


def backend_of(task: Any, *, is_eager: bool = False) -> int:
    """What PostgreSQL calls the connection of a task that begins, asks, and is over, when Celery closes what it used."""
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
    assert len({backend_of(task) for task in (revive, feedback, revive)}) == 1


@pytest.mark.django_db(transaction=True)
def test_a_long_job_and_an_eager_call_leave_no_connection_behind() -> None:
    assert backend_of(revive, is_eager=True) != backend_of(revive, is_eager=True)
    assert backend_of(train_batch) != backend_of(train_batch)
