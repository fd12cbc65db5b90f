"""The page of a project's events, and the page of what was found out about its data."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.console import account_of, project_page
from webapp.accounts.models import Project
from webapp.catalog.inbox_selectors import inbox_state
from webapp.catalog.models import Import, RejectedRow
from webapp.catalog.selectors import recent_events
from webapp.exports.models import Export
from webapp.insights import selectors, services
from webapp.insights.counts_selectors import PERIODS
from webapp.insights.hub import hub
from webapp.registry.selectors import schema_document

EVENTS_SHOWN = 15
JOBS_SHOWN = 4
INSIGHTS_SHOWN = 3


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
        "insights": selectors.insights_open(project=project, limit=INSIGHTS_SHOWN),
        "num_rejected": RejectedRow.objects.filter(project=project, received_at__gte=a_day_ago).count(),
        "inbox": inbox_state(project=project),
        "imports": Import.objects.filter(project=project).select_related("project").order_by("-pk")[:JOBS_SHOWN],
        "exports": Export.objects.filter(project=project).select_related("project").order_by("-pk")[:JOBS_SHOWN],
    }
    return render(request, "insights/events.html", context)


@require_GET
@project_page
def insights(request: HttpRequest, project: Project) -> HttpResponse:
    found = selectors.insights_of(project=project)
    context = {
        "project": project,
        "page": "insights",
        "open": [one for one in found if one.dismissed_at is None],
        "dismissed": [one for one in found if one.dismissed_at is not None],
        "round": selectors.insight_round(project=project),
        "every": services.EVERY,
    }
    return render(request, "insights/insights.html", context)


@require_POST
@project_page
def insights_act(request: HttpRequest, project: Project) -> HttpResponse:
    """Dismiss one, show one again, or have the data looked at now."""
    act, _, given = request.POST.get("act", "").partition(":")
    if act == "look":
        services.insights_ask(project=project)
        messages.success(request, "The data is being looked at; what is found is here in a moment.")
    elif given.isdecimal() and len(given) < 19:
        insight = selectors.insight_get(project=project, insight_id=int(given))
        if act == "dismiss":
            services.insight_dismiss(insight=insight, account=account_of(request))
        elif act == "restore":
            services.insight_restore(insight=insight)
    return redirect("insights", project.slug)
