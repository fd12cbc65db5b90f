"""Pages of batches: the list with a form, and one with its progress."""

from __future__ import annotations

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.console import REFUSALS, problems_of, project_page
from webapp.accounts.models import Project
from webapp.batches import selectors, services
from webapp.batches.forms import BatchForm
from webapp.batches.results import opened
from webapp.long_jobs.page import long_job_page
from webapp.serving.selectors import deployments_of

BATCHES_SHOWN = 50


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def batches(request: HttpRequest, project: Project) -> HttpResponse:
    deployments = list(deployments_of(project=project).filter(is_active=True))
    form = BatchForm(request.POST or None, deployments=deployments)
    context = {"project": project, "page": "batches", "form": form, "deployments": deployments}
    if request.method == "POST" and form.is_valid():
        try:
            started = services.batch_start(project=project, **form.arguments())
        except REFUSALS as error:
            form.add_error(None, error.message)
            context["problems"] = problems_of(error)
        else:
            return redirect("batch", project.slug, started.pk)
    context["batches"] = selectors.batches_of(project=project)[:BATCHES_SHOWN]
    return render(request, "batches/batches.html", context, status=400 if form.errors else 200)


@require_GET
@project_page
def batch(request: HttpRequest, project: Project, batch_id: int) -> HttpResponse:
    """With `part=1` the progress alone, which the page asks for each two seconds while there is any."""
    found = selectors.batch_get(project=project, batch_id=batch_id)
    context = {"project": project, "page": "batches", "batch": found}
    return long_job_page(request, room="batches", template="batch", job=found, context=context)


@require_GET
@project_page
def batch_result(_: HttpRequest, project: Project, batch_id: int) -> FileResponse:
    return opened(selectors.batch_get(project=project, batch_id=batch_id))


@require_POST
@project_page
def batch_stop(request: HttpRequest, project: Project, batch_id: int) -> HttpResponse:
    services.batch_stop(batch=selectors.batch_get(project=project, batch_id=batch_id))
    messages.success(request, f"Batch {batch_id} stops.")
    return redirect("batch", project.slug, batch_id)


@require_POST
@project_page
def batch_delete(request: HttpRequest, project: Project, batch_id: int) -> HttpResponse:
    batch = selectors.batch_get(project=project, batch_id=batch_id)
    try:
        services.batch_delete(batch=batch)
    except REFUSALS as error:
        messages.error(request, error.message)
        return redirect("batch", project.slug, batch_id)
    messages.success(request, f"Batch {batch_id} and its file are deleted.")
    return redirect("batches", project.slug)
