"""Every few seconds: what became of what was shown is counted, experiments get their results, and guardrails act on them."""

from __future__ import annotations

import logging

from engine.errors import LogError
from webapp.accounts.models import Project
from webapp.core.jobs import Job
from webapp.experiments.feedback_taking import feedback_take
from webapp.experiments.guarding import guard
from webapp.experiments.results import results_due, results_update
from workers.celery_app import app

logger = logging.getLogger(__name__)


@app.task(name=Job.FEEDBACK.value)
def feedback() -> None:
    for project in Project.objects.all():
        try:
            feedback_take(project=project)
        except LogError as error:
            # What was not counted now is counted at the next turn.
            logger.warning("project %s: feedback was not counted: %s", project.slug, error)
    for experiment in results_due():
        guard(experiment=experiment, found=results_update(experiment=experiment))
