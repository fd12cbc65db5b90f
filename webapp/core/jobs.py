"""The jobs that workers do, by name. The web app names them here and never imports the workers."""

from __future__ import annotations

from enum import StrEnum
from functools import cache

from celery import Celery
from django.conf import settings


class Job(StrEnum):
    """Celery task names; `workers/` registers one task for each and a test compares the two lists."""

    TRAIN_BATCH = "freshet.train_batch"
    TRAIN_ONLINE = "freshet.train_online"
    JOIN = "freshet.join"
    SEARCH = "freshet.search"
    RECOMMEND_BATCH = "freshet.recommend_batch"
    REVIVE = "freshet.revive"
    PRUNE = "freshet.prune"
    CANARY = "freshet.canary"
    FEEDBACK = "freshet.feedback"
    REPLAY = "freshet.replay"
    ALERTS = "freshet.alerts"
    COUNT_EVENTS = "freshet.count_events"
    INSIGHTS = "freshet.insights"
    IMPORT_FILE = "freshet.import_file"
    EXPORT_DATA = "freshet.export_data"
    ERASURES = "freshet.erasures"


QUEUES: dict[Job, str] = {
    Job.TRAIN_BATCH: "jobs",
    Job.TRAIN_ONLINE: "trainer",
    Job.JOIN: "joiner",
    Job.SEARCH: "jobs",
    Job.RECOMMEND_BATCH: "jobs",
    Job.REVIVE: "periodic",
    Job.PRUNE: "periodic",
    Job.CANARY: "periodic",
    Job.FEEDBACK: "periodic",
    Job.REPLAY: "jobs",
    Job.ALERTS: "periodic",
    Job.COUNT_EVENTS: "periodic",
    Job.INSIGHTS: "periodic",
    Job.IMPORT_FILE: "jobs",
    Job.EXPORT_DATA: "jobs",
    Job.ERASURES: "periodic",
}


@cache
def _client() -> Celery:
    client = Celery("freshet-web", broker=settings.CELERY_BROKER_URL)
    client.conf.task_serializer = "json"
    client.conf.task_ignore_result = True
    return client


def send(job: Job, **arguments: int | str) -> None:
    """Queue a job. Raises `kombu.exceptions.OperationalError` when Redis does not answer."""
    _client().send_task(job.value, kwargs=arguments, queue=QUEUES[job])
