"""The page of a project's events, and the page of what was found out about its data."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.catalog.inbox_selectors import inbox_state
from webapp.catalog.models import Import, RejectedRow
from webapp.catalog.selectors import recent_events
from webapp.exports.models import Export
from webapp.insights.counts_selectors import PERIODS
from webapp.insights.hub import hub
from webapp.registry.selectors import schema_document

EVENTS_SHOWN = 15
JOBS_SHOWN = 4


@require_GET
@project_page
def events(request: HttpRequest, project: Project) -> HttpResponse:
    period = request.GET.get("period", "hour")
    period = period if period in PERIODS else "hour"
    a_day_ago = timezone.now() - timedelta(days=1)
    context: dict[str, Any] = {
        "project": project,
        "page": "events",
        "period": period,
        "periods": PERIODS.values(),
        "hub": hub(project=project, schema=schema_document(project=project), period=period),
        "events": recent_events(project=project, limit=EVENTS_SHOWN),
        "num_rejected": RejectedRow.objects.filter(project=project, received_at__gte=a_day_ago).count(),
        "inbox": inbox_state(project=project),
        "imports": Import.objects.filter(project=project).select_related("project").order_by("-pk")[:JOBS_SHOWN],
        "exports": Export.objects.filter(project=project).select_related("project").order_by("-pk")[:JOBS_SHOWN],
    }
    return render(request, "insights/events.html", context)
