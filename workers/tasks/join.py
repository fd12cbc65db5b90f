"""Joining: one project's impressions and actions into examples, for as long as the project exists."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from engine.joining.process import JoinerProcess
from webapp.training.services import joiner_report

from engine.errors import LeaseLost
from webapp.accounts.models import Project
from webapp.core.jobs import Job
from webapp.core.log import event_log
from webapp.registry import selectors as registry
from webapp.training.models import JoinerProgress
from workers import sent
from workers.celery_app import app
from workers.folders import joiner_folder
from workers.leases import HeldLease, held
from workers.pacing import Pace
from workers.runs import MAX_ERROR_LENGTH, OUTAGES
from workers.stopping import STOP

logger = logging.getLogger(__name__)

POLL_TIMEOUT_S = 0.2
REPORT_EVERY_S = 1.0


@app.task(name=Job.JOIN.value)
def join(project_id: int) -> None:
    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        return
    with held(f"joiner:{project.pk}") as lease:
        if lease is None:
            return
        sent.forget_sent(Job.JOIN, project.pk)
        with STOP.watching() as should_end:
            try:
                _follow(project, lease, should_end)
            except LeaseLost as error:
                logger.warning("joiner of %s: %s; its new holder carries on", project.slug, error)
            except OUTAGES as error:
                logger.warning("joiner of %s: a server is away (%s); it will be tried again", project.slug, error)
            except Exception as error:
                logger.exception("joiner of %s failed and will be tried again", project.slug)
                message = f"{type(error).__name__}: {error}"[:MAX_ERROR_LENGTH]
                JoinerProgress.objects.update_or_create(project=project, defaults={"error": message})


def _follow(project: Project, lease: HeldLease, should_end: Callable[[], bool]) -> None:
    """Join until told to end. A new schema version starts the process anew from its checkpoint."""
    while not should_end():
        version = registry.schema_current(project=project).version
        process = JoinerProcess(
            event_log(),
            project.slug,
            registry.schema_document(project=project),
            joiner_folder(project),
            clock=time.time,
            fence=lease.fence,
        )
        report = Pace(REPORT_EVERY_S)
        while not should_end():
            process.poll(POLL_TIMEOUT_S)
            if not report.is_due():
                continue
            joiner_report(project=project, **process.counters())
            if not Project.objects.filter(pk=project.pk).exists():
                return
            if registry.schema_current(project=project).version != version:
                break
        process.close()
