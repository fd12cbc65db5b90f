"""Insights are computed by a job now and then, and dismissed by people."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from webapp.accounts.models import Account, Project
from webapp.audit.services import audit_record
from webapp.core import jobs
from webapp.core.clock import wall_ms
from webapp.insights.checks import all_found
from webapp.insights.evidence import gather
from webapp.insights.found import Found
from webapp.insights.models import Insight, InsightRound

EVERY: Final = timedelta(minutes=5)
WORSE_TIMES: Final = 1.5
WORSE_BY: Final = 0.05
"""A dismissed one comes back when its weight is so many times what it was, and so much more."""


def insights_compute(*, project: Project, clock_ms: Callable[[], int] = wall_ms) -> list[Found]:
    """Look at the project's data, and keep what was found; what no longer holds goes. Raises `LogError`."""
    started = time.monotonic()
    now_ms = clock_ms()
    evidence = gather(project=project, now_ms=now_ms)
    found = all_found(evidence)
    now = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
    with transaction.atomic():
        known = {(one.kind, one.subject): one for one in Insight.objects.select_for_update().filter(project=project)}
        kept = {_keep(project, one, known.get((one.kind, one.subject[:300])), now) for one in found}
        Insight.objects.filter(project=project).exclude(pk__in=kept).delete()
        InsightRound.objects.update_or_create(
            project=project,
            defaults={
                "computed_at": now,
                "took_s": time.monotonic() - started,
                "num_events": len(evidence.events),
                "num_items": len(evidence.items),
                "num_users": len(evidence.users),
                "is_wanted": False,
            },
        )
    return found


def insights_due() -> list[Project]:
    """Projects whose data was not looked at lately, or that somebody wants looked at now."""
    fresh = InsightRound.objects.filter(is_wanted=False, computed_at__gt=timezone.now() - EVERY)
    return list(Project.objects.exclude(pk__in=fresh.values("project_id")).order_by("pk"))


def insights_ask(*, project: Project) -> None:
    """Have the data looked at now."""
    rounds = InsightRound.objects.filter(project=project)
    rounds.update(is_wanted=True)
    jobs.send(jobs.Job.INSIGHTS)


def insight_dismiss(*, insight: Insight, account: Account | None) -> None:
    """Out of the way until it is much worse, or has gone and come back."""
    with transaction.atomic():
        Insight.objects.filter(pk=insight.pk).update(
            dismissed_at=timezone.now(), dismissed_by=account, dismissed_weight=insight.weight
        )
        audit_record(project=insight.project, action="insight_dismiss", target=_target(insight))


def insight_restore(*, insight: Insight) -> None:
    """Show it again."""
    with transaction.atomic():
        Insight.objects.filter(pk=insight.pk).update(dismissed_at=None, dismissed_by=None, dismissed_weight=None)
        audit_record(project=insight.project, action="insight_restore", target=_target(insight))


def _keep(project: Project, found: Found, known: Insight | None, now: datetime) -> int:
    insight = known or Insight(project=project, kind=found.kind, subject=found.subject[:300], first_at=now)
    insight.severity, insight.weight, insight.values = found.severity, found.weight, found.values
    insight.computed_at = now
    before = insight.dismissed_weight
    if before is not None and found.weight > WORSE_TIMES * before and found.weight > before + WORSE_BY:
        insight.dismissed_at = insight.dismissed_by = insight.dismissed_weight = None
    insight.save()
    return int(insight.pk)


def _target(insight: Insight) -> str:
    return f"insight {insight.kind} {insight.subject}".strip()
