"""Every few seconds: what has come into the log is counted by type, for the pages that show events over time."""

from __future__ import annotations

import logging

from engine.errors import LogError
from webapp.accounts.models import Project
from webapp.core.jobs import Job
from webapp.insights.counting import events_count
from workers.celery_app import app

logger = logging.getLogger(__name__)


@app.task(name=Job.COUNT_EVENTS.value)
def count_events() -> None:
    for project in Project.objects.all():
        try:
            events_count(project=project)
        except LogError as error:
            # What was not counted now is counted at the next turn.
            logger.warning("project %s: events were not counted: %s", project.slug, error)
