"""Every minute: the data of projects that were not looked at lately is looked at."""

from __future__ import annotations

import logging

from engine.errors import LogError
from webapp.core.jobs import Job
from webapp.insights.services import insights_compute, insights_due
from workers.celery_app import app

logger = logging.getLogger(__name__)


@app.task(name=Job.INSIGHTS.value)
def insights() -> None:
    for project in insights_due():
        try:
            insights_compute(project=project)
        except LogError as error:
            logger.warning("project %s: its data was not looked at: %s", project.slug, error)
