"""Pages of runs: the list, one run with its curves, and starting and stopping."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from engine.spec.architecture import kinds_of_retrieval
from webapp.accounts.console import REFUSALS, project_page
from webapp.accounts.models import Project
from webapp.registry.selectors import model_version
from webapp.training import selectors, services
from webapp.training.lag import project_lag
from webapp.training.live import ENDED, point_id, render_report, run_update
from webapp.training.models import Run
from webapp.training.task_curves import Chart, tasks_of

PAGE_SIZE = 50

SCORE_CHARTS: list[Chart] = [
    ("AUC", "plain", [("auc", "all"), ("grouped_auc", "by user")]),
    ("Log loss", "plain", [("log_loss", "log loss")]),
    ("Normalised entropy", "plain", [("normalised_entropy", "log loss over the mean rate's")]),
    ("Calibration", "plain", [("calibration", "predicted over observed")]),
]
"""Of the first task; one run's page shows them for each task where there are several."""

CHARTS: list[Chart] = [
    ("HR@10 against frozen", "share", [("hr_at_10", "online"), ("hr_at_10_frozen", "frozen")]),
    ("Loss", "plain", [("loss", "loss")]),
    *SCORE_CHARTS,
    ("NDCG@10", "share", [("ndcg_at_10", "NDCG@10")]),
    ("Coverage@10", "share", [("coverage_at_10", "of the catalogue")]),
    ("Examples per second", "count", [("examples_per_s", "examples/s")]),
    ("Table rows", "count", [("table_rows", "rows")]),
    ("Table bytes", "bytes", [("table_bytes", "bytes")]),
    ("Examples waiting", "count", [("lag_records", "records")]),
]


RETRIEVAL_HAS_NONE = {"log_loss", "normalised_entropy", "calibration"}
"""A retrieval model's scores are no probabilities, so these curves would stay empty for ever."""


def _has(run: Run, series: list[tuple[str, str]]) -> bool:
    is_retrieval = run.model_version.document["architecture"]["kind"] in kinds_of_retrieval()
    return not (is_retrieval and {key for key, _ in series} <= RETRIEVAL_HAS_NONE)


def _drawn(chart: Chart, task: str = "") -> dict[str, Any]:
    title, form, series = chart
    return {
        "title": title, "format": form, "task": task, "series": [{"key": key, "label": label} for key, label in series],
    }  # fmt: skip


@require_GET
@project_page
def runs(request: HttpRequest, project: Project) -> HttpResponse:
    shown = Paginator(selectors.runs_of(project=project), PAGE_SIZE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {"project": project, "page": "runs", "runs": shown.object_list, "shown": shown}
    joiner = selectors.joiner_progress(project=project)
    context |= {"joiner": joiner, "agreement": selectors.feature_agreement(joiner), "lag": project_lag(project=project)}
    context["account"] = selectors.joiner_account(joiner)
    return render(request, "training/runs.html", context)


@require_GET
@project_page
def run(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    shown = selectors.run_get(project=project, run_id=run_id)
    tasks = tasks_of(shown)
    general = [chart for chart in CHARTS if _has(shown, chart[2]) and not (tasks and chart in SCORE_CHARTS)]
    charts = [_drawn(chart) for chart in general[:2]]
    charts += [_drawn(chart, task.name) for task in tasks for chart in task.charts]
    charts += [_drawn(chart) for chart in general[2:]]
    context = {
        "project": project,
        "page": "runs",
        "run": shown,
        "ended": shown.state in ENDED,
        "report": render_report(shown),
        "tasks": tasks,
        "charts": charts,
    }
    return render(request, "training/run.html", context)


@require_GET
@project_page
def run_metrics(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """What the stream sends, asked for once: the way of a browser whose stream does not come through."""
    after_id = point_id(request.GET.get("after", ""))
    update = run_update(project=project, run_id=run_id, after_id=after_id)
    del update["reported_at"]
    return JsonResponse(update)


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
