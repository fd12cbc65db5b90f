"""A project's home."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.overview.attention import attention_of
from webapp.overview.changes import changes_of
from webapp.overview.checklist import checklist_of
from webapp.overview.health import health_of
from webapp.overview.totals import totals_of


@require_GET
@project_page
def overview(request: HttpRequest, project: Project) -> HttpResponse:
    totals = totals_of(project=project)
    checklist = checklist_of(project=project, num_events=totals.num_events)
    context = {"project": project, "page": "overview", "checklist": checklist, "totals": totals}
    return render(request, "accounts/overview.html", context | parts_of(project))


def parts_of(project: Project) -> dict[str, Any]:
    """What the page's stream keeps up to date."""
    return {
        "health": health_of(project=project),
        "findings": attention_of(project=project),
        "changes": changes_of(project=project),
    }
