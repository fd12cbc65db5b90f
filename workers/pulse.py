"""Celery's processes say that they live, and what came of each periodic task."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from celery.bootsteps import StartStopStep
from celery.signals import task_failure, task_postrun, task_prerun

from webapp.core.jobs import QUEUES, Job
from webapp.jobs.pulse import BEAT_EVERY_S, LastRun, Worker, now_utc, periodic_note, worker_gone, worker_note

PERIODIC = frozenset(job.value for job, queue in QUEUES.items() if queue == "periodic")

_began_s: dict[str, float] = {}
_failed: dict[str, str] = {}


def process_name(queue: str) -> str:
    return f"{queue}@{socket.gethostname()}:{os.getpid()}"


class PulseStep(StartStopStep):
    """Beats from the worker's own timer, connected to the broker or not; no thread of ours is there when a child is forked."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, *_: Any, **__: Any) -> None:
        self._timer_entry: Any = None
        self._name = ""

    def start(self, parent: Any) -> None:
        queue = ",".join(sorted(parent.app.amqp.queues.consume_from))
        self._name = process_name(queue)
        started_at = now_utc()

        def beat() -> None:
            worker_note(Worker(self._name, queue, int(parent.concurrency), os.getpid(), started_at, now_utc()))

        beat()
        self._timer_entry = parent.timer.call_repeatedly(BEAT_EVERY_S, beat)

    def stop(self, parent: Any) -> None:  # noqa: ARG002
        if self._timer_entry is not None:
            self._timer_entry.cancel()
            self._timer_entry = None
            worker_gone(self._name)


@task_prerun.connect
def _task_begins(task_id: str, task: Any, **_: object) -> None:
    if task.name in PERIODIC:
        _began_s[task_id] = time.monotonic()


@task_failure.connect
def _task_failed(task_id: str, exception: BaseException, sender: Any, **_: object) -> None:
    if sender.name in PERIODIC:
        _failed[task_id] = type(exception).__name__


@task_postrun.connect
def _task_ends(task_id: str, task: Any, **_: object) -> None:
    began_s = _began_s.pop(task_id, None)
    error = _failed.pop(task_id, "")
    if began_s is not None:
        name = process_name(QUEUES[Job(task.name)])
        periodic_note(LastRun(task.name, now_utc(), time.monotonic() - began_s, error, name))
