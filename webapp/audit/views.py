"""The audit log: a page with filters, and the same as CSV."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.audit import selectors
from webapp.audit.csv_file import csv_of
from webapp.audit.forms import AuditFilterForm
from webapp.core.errors import Invalid
from webapp.core.paging import Page

CSV_ROWS = 50_000


@require_GET
@project_page
def audit(request: HttpRequest, project: Project) -> HttpResponse:
    form = AuditFilterForm(request.GET)
    entries: Page[object] = Page([], None)
    if form.is_valid():
        entries = selectors.audit_page(project=project, wanted=form.wanted(), cursor=request.GET.get("cursor", ""))  # type: ignore[assignment]
    actors, actions = selectors.audit_choices(project=project)
    context = {
        "project": project,
        "page": "audit",
        "form": form,
        "entries": entries,
        "is_filtered": any(request.GET.get(name) for name in form.fields),
        "is_first": not request.GET.get("cursor"),
        "query": _query(request),
        "actors": actors,
        "actions": actions,
        "csv_rows": CSV_ROWS,
    }
    return render(request, "audit/audit.html", context, status=400 if form.errors else 200)


@require_GET
@project_page
def audit_csv(request: HttpRequest, project: Project) -> HttpResponse:
    form = AuditFilterForm(request.GET)
    if not form.is_valid():
        name, rules = next(iter(form.errors.items()))
        raise Invalid.field(name, str(rules[0]), repr(request.GET.get(name, "")[:80]))
    entries = selectors.audit_entries(project=project, wanted=form.wanted(), limit=CSV_ROWS)
    answer = HttpResponse(csv_of(entries), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="audit-{project.slug}.csv"'
    return answer


def _query(request: HttpRequest) -> str:
    """The filter as a query string, without the place."""
    given = request.GET.copy()
    given.pop("cursor", None)
    return given.urlencode()
