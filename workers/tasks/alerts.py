"""Every few seconds: each project is measured and judged by its rules, and messages that are due are sent."""

from __future__ import annotations

import logging

from django.utils import timezone

from webapp.accounts.models import Project
from webapp.alerts.delivering import deliveries_send_due
from webapp.alerts.evaluating import alerts_evaluate
from webapp.core.jobs import Job
from webapp.core.services import lease_acquire, lease_release
from workers.celery_app import app
from workers.leases import holder_name

logger = logging.getLogger(__name__)

LEASE = "alerts"
LEASE_TTL_S = 90.0
"""Longer than a turn in which every receiver hangs."""


@app.task(name=Job.ALERTS.value)
def alerts() -> None:
    """One at a time: a turn that receivers hold up does not overlap with the next."""
    holder = holder_name()
    token = lease_acquire(name=LEASE, holder=holder, ttl_s=LEASE_TTL_S)
    if token is None:
        return
    try:
        for project in Project.objects.order_by("id"):
            for alert, change in alerts_evaluate(project=project, now=timezone.now()):
                logger.warning("project %s: alert %s: %s", project.slug, change.value, alert.message)
        deliveries_send_due(now=timezone.now())
    finally:
        lease_release(name=LEASE, holder=holder, token=token)
