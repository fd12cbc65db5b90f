"""Pages of a project's data: newest events, an upload, refused rows, items and users."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.console import REFUSALS, problems_of, project_page
from webapp.accounts.models import Project
from webapp.catalog import selectors, services
from webapp.catalog.forms import UploadForm
from webapp.catalog.upload import CsvMapping, UploadReport, upload_events
from webapp.registry.selectors import schema_document

EVENTS_SHOWN = 100
ROWS_SHOWN = 100
PAGE_SIZE = 50


def _context(project: Project, tab: str, **values: Any) -> dict[str, Any]:
    return {"project": project, "page": "data", "tab": tab, **values}


@require_GET
@project_page
def events(request: HttpRequest, project: Project) -> HttpResponse:
    newest = selectors.recent_events(project=project, limit=EVENTS_SHOWN)
    return render(request, "catalog/events.html", _context(project, "events", events=newest))


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def upload(request: HttpRequest, project: Project) -> HttpResponse:
    schema = schema_document(project=project)
    form = UploadForm(schema=schema)
    report: UploadReport | None = None
    problems: list[dict[str, str]] = []
    if request.method == "POST":
        form = UploadForm(request.POST, request.FILES, schema=schema)
        if form.is_valid():
            data = form.cleaned_data
            mapping = CsvMapping(data["columns"], data["event_type"], data["time_form"] or "text")
            try:
                report = upload_events(
                    project=project, schema=schema, file=data["file"], file_name=data["file"].name, mapping=mapping
                )
            except REFUSALS as error:
                problems = problems_of(error) or [{"field": "file", "rule": error.message, "received": ""}]
    context = _context(project, "upload", form=form, report=report, problems=problems, schema=schema)
    failed = bool(form.errors or problems or (report and report.num_rejected and not report.num_accepted))
    return render(request, "catalog/upload.html", context, status=400 if failed else 200)


@require_GET
@project_page
def rejected(request: HttpRequest, project: Project) -> HttpResponse:
    rows = selectors.rejected_rows(project=project, limit=ROWS_SHOWN)
    return render(request, "catalog/rejected.html", _context(project, "rejected", rows=rows))


@require_GET
@project_page
def items(request: HttpRequest, project: Project) -> HttpResponse:
    return _entities(request, project, "items")


@require_GET
@project_page
def users(request: HttpRequest, project: Project) -> HttpResponse:
    return _entities(request, project, "users")


@require_POST
@project_page
def item_hide(request: HttpRequest, project: Project) -> HttpResponse:
    """Hide an item or show it again, as the form says; back to the page of the list it came from."""
    item_id, hidden = request.POST.get("item_id", ""), request.POST.get("hidden") == "yes"
    written = services.item_patch(project=project, item_id=item_id, properties={}, hidden=hidden)
    if written.replicas_pending:
        names = ", ".join(written.replicas_pending)
        messages.warning(request, f"{item_id} is hidden; not confirmed yet by {names}.")
    else:
        messages.success(request, f"{item_id} is recommended {'no more' if hidden else 'again'}.")
    query = QueryDict(request.POST.get("back", ""))
    kept = {name: query[name] for name in ("q", "cursor") if name in query}
    return redirect(f"{reverse('items', args=[project.slug])}{'?' if kept else ''}{urlencode(kept)}")


def _entities(request: HttpRequest, project: Project, kind: str) -> HttpResponse:
    search = request.GET.get("q", "").strip()
    cursor = request.GET.get("cursor") or None
    read = selectors.items_page if kind == "items" else selectors.users_page
    found = cast("Any", read)(project=project, cursor=cursor, limit=PAGE_SIZE, search=search)
    context = _context(project, kind, kind=kind, found=found, search=search, is_first=cursor is None)
    return render(request, "catalog/entities.html", context)
