"""Runs compared on one page, whose address names them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.training import comparing, curves, selectors
from webapp.training.run_charts import comparable

NUM_OFFERED = 50
NUM_POINTS = 300


@require_GET
@project_page
def run_compare(request: HttpRequest, project: Project) -> HttpResponse:
    """`?runs=3,5,8`; what the forms of the list and of this page add as `run` is made part of that address."""
    ids = comparing.run_ids(request.GET.getlist("runs") + request.GET.getlist("run"))
    if "run" in request.GET:
        chosen = ",".join(map(str, ids))
        return redirect(f"{reverse('run_compare', args=[project.slug])}?runs={chosen}")
    runs = comparing.runs_compared(project=project, ids=ids)
    known = [run.pk for run in runs]
    context = {
        "project": project,
        "page": "runs",
        "runs": [(run, ",".join(str(each) for each in known if each != run.pk)) for run in runs],
        "ids": ",".join(map(str, known)),
        "missing": [run_id for run_id in ids if run_id not in known],
        "offered": selectors.runs_of(project=project).exclude(pk__in=known)[:NUM_OFFERED],
        "is_full": len(runs) >= comparing.MAX_RUNS,
        "charts": comparable(runs) if runs else [],
        "differences": comparing.differences(runs),
        "metrics": comparing.metric_rows(runs),
    }
    return render(request, "training/compare.html", context)


@require_GET
@project_page
def run_compare_curves(request: HttpRequest, project: Project) -> HttpResponse:
    """`{"runs": [{"id", "label", "columns"}]}` of the runs that the query names, each with at most `NUM_POINTS` points."""
    runs = comparing.runs_compared(project=project, ids=comparing.run_ids(request.GET.getlist("runs")))
    keys = {line.key for chart in comparable(runs) for line in chart.lines} if runs else set()
    answers = [
        {
            "id": run.pk,
            "label": f"run {run.pk}",
            "columns": curves.columns(curves.run_points(run=run, limit=NUM_POINTS), keys),
        }
        for run in runs
    ]
    return JsonResponse({"runs": answers})
