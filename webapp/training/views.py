"""Pages of runs: the list, one run with its curves, and starting and stopping."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.console import REFUSALS, account_of, project_page
from webapp.accounts.models import Project
from webapp.registry.selectors import model_version
from webapp.training import selectors, services
from webapp.training.lag import project_lag
from webapp.training.models import Run
from webapp.training.resuming import run_resume
from webapp.training.run_list import RunFilter, id_in, models_with_runs, runs_page
from webapp.training.run_orders import checkpoint_order


@require_GET
@project_page
def runs(request: HttpRequest, project: Project) -> HttpResponse:
    """Runs as the query filters them; what waits to become examples and to be learned stands below the newest of all."""
    wanted = RunFilter.read(request.GET.dict())
    before, after = (id_in(request.GET.get(name, "")) for name in ("before", "after"))
    context: dict[str, Any] = {
        "project": project,
        "page": "runs",
        "shown": runs_page(project=project, wanted=wanted, before=before, after=after),
        "wanted": wanted,
        "modes": Run.Mode.values,
        "states": Run.State.values,
        "models": models_with_runs(project=project),
    }
    joiner = selectors.joiner_progress(project=project)
    context["joiner"] = joiner
    if not (wanted.is_set or before or after):
        context |= {"lag": project_lag(project=project), "has_lag": True}
        context |= {
            "agreement": selectors.feature_agreement(joiner),
            "account": selectors.joiner_account(joiner),
        }
    return render(request, "training/runs.html", context)


@require_POST
@project_page
def run_start(request: HttpRequest, project: Project, name: str, version: int) -> HttpResponse:
    wanted = model_version(project=project, name=name, version=version)
    earlier = request.POST.get("start_from", "")
    try:
        started = services.run_start(
            model_version=wanted,
            mode=request.POST.get("mode", ""),
            continues_online="continues_online" in request.POST,
            start_from=model_version(project=project, name=name, version=int(earlier)) if earlier.isdigit() else None,
            input_file=request.POST.get("input_file", ""),
        )
    except REFUSALS as error:
        messages.error(request, error.message)
        return redirect("model", project.slug, name)
    return redirect("run", project.slug, started.pk)


@require_POST
@project_page
def run_stop(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    services.run_stop(run=selectors.run_get(project=project, run_id=run_id))
    messages.success(request, "The run stops after the batch it is at, with a checkpoint.")
    return redirect("run", project.slug, run_id)


@require_POST
@project_page
def run_go_on(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    shown = selectors.run_get(project=project, run_id=run_id)
    try:
        run_resume(run=shown)
        messages.success(request, "The run goes on from its newest checkpoint as soon as a worker is free.")
    except REFUSALS as error:
        messages.error(request, error.message)
    return redirect("run", project.slug, run_id)


@require_POST
@project_page
def run_checkpoint(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    shown = selectors.run_get(project=project, run_id=run_id)
    try:
        checkpoint_order(run=shown, asked_by=account_of(request).get_username())
    except REFUSALS as error:
        messages.error(request, error.message)
    return redirect("run", project.slug, run_id)
