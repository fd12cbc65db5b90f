"""Every five minutes: old metrics, publishes, event ids and log records go, so that disks do not fill."""

from __future__ import annotations

import logging

from django.utils import timezone

from webapp.accounts.key_services import api_keys_prune
from webapp.accounts.models import Project
from webapp.alerts.services import alerts_prune
from webapp.core.jobs import Job
from webapp.experiments.feedback_services import feedback_prune
from webapp.insights.counting import counts_prune
from webapp.serving.freshness_series import freshness_prune
from webapp.serving.freshness_spans import spans_prune, spans_roll_up
from webapp.tracing.services import history_prune
from webapp.tracing.sync_spans import history_roll_up, history_spans_prune
from webapp.training import services
from workers import retention, run_metrics
from workers.celery_app import app

logger = logging.getLogger(__name__)


@app.task(name=Job.PRUNE.value)
def prune() -> None:
    services.training_prune()
    spans_roll_up()
    spans_prune()
    freshness_prune()
    history_roll_up()
    history_spans_prune()
    history_prune()
    feedback_prune()
    alerts_prune(now=timezone.now())
    api_keys_prune(now=timezone.now())
    counts_prune()
    run_metrics.forget_old()
    num_ids = retention.forget_event_ids()
    for project in Project.objects.all():
        try:
            num_records = retention.trim_project(project)
        except Exception:
            # one project's trouble must not let the others' logs grow
            logger.exception("project %s could not be pruned", project.slug)
            continue
        if num_records:
            logger.info("project %s: %d log records trimmed", project.slug, num_records)
    if num_ids:
        logger.info("%d event ids are old enough to be forgotten", num_ids)
