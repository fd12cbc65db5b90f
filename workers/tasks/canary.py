"""Every few seconds: an event that nobody did, for each project that learns online, so that its freshness is measured at night too."""

from __future__ import annotations

import logging
import time
import uuid

from django.conf import settings

from engine.errors import LogError
from engine.spec.canary import canary_event
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.partitioning import key_in
from webapp.accounts.models import Project
from webapp.core.jobs import Job
from webapp.core.log import append, event_log
from webapp.training.selectors import projects_learning_online
from workers.celery_app import app

logger = logging.getLogger(__name__)


@app.task(name=Job.CANARY.value)
def canary() -> None:
    for project in projects_learning_online():
        try:
            release(project, now_ms=time.time_ns() // 1_000_000)
        except LogError as error:
            # The next one is as good.
            logger.warning("project %s: no canary was written: %s", project.slug, error)


def release(project: Project, *, now_ms: int) -> None:
    """Append one canary; the partitions of `events` have their turns, and `examples` has it in the same one. Raises `LogError`."""
    topic = topics.events(project.slug)
    num_partitions = len(event_log().partitions(topic))
    turn = now_ms // 1000 // max(1, settings.CANARY_EVERY_S)
    key = key_in(turn % num_partitions, num_partitions)
    event = canary_event(f"canary-{uuid.uuid4().hex}", key, now_ms)
    append(project.slug, topic, [Record(event.user_id, event.to_bytes(), event.received_ms)])
