"""Pages of exports: the list with a form, one with its progress, and its file."""

from __future__ import annotations

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.console import REFUSALS, account_of, project_page
from webapp.accounts.models import Project
from webapp.exports import selectors, services
from webapp.exports.forms import ExportForm
from webapp.long_jobs.files import long_job_file
from webapp.long_jobs.page import long_job_page
from webapp.registry.selectors import schema_document


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def exports(request: HttpRequest, project: Project) -> HttpResponse:
    initial = {"what": request.GET.get("what", "")}
    form = ExportForm(
        request.POST or None, initial=initial, event_types=sorted(schema_document(project=project).events)
    )
    if request.method == "POST" and form.is_valid():
        try:
            started = services.export_start(project=project, account=account_of(request), **form.arguments())
        except REFUSALS as error:
            form.add_error(None, error.message)
        else:
            return redirect("export", project.slug, started.pk)
    context = {
        "project": project,
        "page": "exports",
        "form": form,
        "exports": selectors.exports_of(project=project),
    }
    return render(request, "exports/exports.html", context, status=400 if form.errors else 200)


@require_GET
@project_page
def export(request: HttpRequest, project: Project, export_id: int) -> HttpResponse:
    """With `part=1` the progress alone, which the page asks for each second while there is any."""
    found = selectors.export_get(project=project, export_id=export_id)
    context = {"project": project, "page": "exports", "export": found}
    return long_job_page(request, room="exports", template="export", job=found, context=context)


@require_GET
@project_page
def export_result(_: HttpRequest, project: Project, export_id: int) -> FileResponse:
    found = selectors.export_get(project=project, export_id=export_id)
    name = f"{project.slug}-{found.what}-{found.pk}.{found.format}"
    return long_job_file(job=found, file=found.result, name=name)


@require_POST
@project_page
def export_act(request: HttpRequest, project: Project, export_id: int) -> HttpResponse:
    """Stop it, or delete it with its file."""
    found = selectors.export_get(project=project, export_id=export_id)
    try:
        if request.POST.get("act") == "stop":
            services.export_stop(export=found)
        elif request.POST.get("act") == "delete":
            services.export_delete(export=found)
            messages.success(request, f"Export {export_id} and its file are deleted.")
            return redirect("exports", project.slug)
    except REFUSALS as error:
        messages.error(request, error.message)
    return redirect("export", project.slug, export_id)
