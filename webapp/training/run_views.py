"""One run's pages: its curves, quality by slice, slots and tables, log, and details."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.training import curves, selectors
from webapp.training.event_folders import event_folder, project_folder
from webapp.training.live import ENDED, log_update, point_id, run_update
from webapp.training.models import Run
from webapp.training.reports import PARTS, render_report, slice_names
from webapp.training.resuming import RESUMABLE, why_not_resumable
from webapp.training.run_charts import chart_groups
from webapp.training.run_log import LEVELS, level_of, run_log
from webapp.training.run_orders import order_told, orders_shown
from webapp.training.sketches import NUM_SKETCHED, sketched
from webapp.training.slice_curves import slice_columns, slice_groups
from webapp.training.task_curves import tasks_of

MAX_SECONDS = 10**11


@require_GET
@project_page
def run(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    shown = selectors.run_get(project=project, run_id=run_id)
    tasks = tasks_of(shown)
    groups = chart_groups(shown, [chart for task in tasks for chart in task.charts])
    points = curves.run_points(run=shown, limit=NUM_SKETCHED)
    context = _framed(shown, project, "curves") | {
        "tasks": tasks,
        "groups": sketched(groups, points, hidden={task.name for task in tasks[1:]}),
    }
    return render(request, "training/run.html", context)


@require_GET
@project_page
def run_quality(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """What the newest report says of slices, tasks, epochs and reliability, and curves of one slice's values."""
    shown = selectors.run_get(project=project, run_id=run_id)
    names = slice_names(shown)
    name = request.GET.get("slice", "")
    chosen = name if name in names else next(iter(names), "")
    context = _framed(shown, project, "quality") | {
        "report": render_report(shown, "quality"),
        "slice_names": names,
        "chosen": chosen,
        "groups": slice_groups(shown, chosen) if chosen else [],
    }
    return render(request, "training/run_quality.html", context)


@require_GET
@project_page
def run_tables(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """Slots and tables, sorted as the query says."""
    shown = selectors.run_get(project=project, run_id=run_id)
    sort = request.GET.get("sort", "")
    context = _framed(shown, project, "tables") | {"report": render_report(shown, "tables", sort), "sort": sort}
    return render(request, "training/run_tables.html", context)


@require_GET
@project_page
def run_log_page(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """The newest lines of the run's log, or those before one."""
    shown = selectors.run_get(project=project, run_id=run_id)
    name = request.GET.get("level", "")
    before = point_id(request.GET.get("before", ""))
    lines = run_log(run=shown, level=level_of(name), before_id=before or None)
    context = _framed(shown, project, "log") | {
        "lines": lines,
        "levels": list(LEVELS),
        "level": name if name in LEVELS else "info",
        "before": before,
        "older": lines[0].pk if lines and run_log(run=shown, level=level_of(name), before_id=lines[0].pk) else None,
        "newest": lines[-1].pk if lines else 0,
    }
    return render(request, "training/run_log.html", context)


@require_GET
@project_page
def run_log_update(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """What the log's stream sends, asked for once."""
    after_id, level = point_id(request.GET.get("after", "")), request.GET.get("level", "")
    return JsonResponse(log_update(project=project, run_id=run_id, after_id=after_id, level=level))


@require_GET
@project_page
def run_details(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    shown = selectors.run_get(project=project, run_id=run_id)
    folder = event_folder(shown)
    context = _framed(shown, project, "details") | {
        "orders": orders_shown(run=shown),
        "event_folder": folder,
        "project_folder": project_folder(project),
        "has_events": folder.is_dir(),
    }
    return render(request, "training/run_details.html", context)


@require_GET
@project_page
def run_metrics(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """What the stream sends, asked for once: the way of a browser whose stream does not come through."""
    part = request.GET.get("part", "")
    update = run_update(
        project=project,
        run_id=run_id,
        after_id=point_id(request.GET.get("after", "")),
        part=part if part in PARTS else "",
        sort=request.GET.get("sort", ""),
    )
    del update["reported_at"]
    return JsonResponse(update)


@require_GET
@project_page
def run_curves(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """`{"after", "columns"}`: at most `curves.MAX_POINTS` points of the whole run, or of the time from `since` to `until` (seconds)."""
    shown = selectors.run_get(project=project, run_id=run_id)
    points = curves.run_points(
        run=shown, since=_time(request.GET.get("since", "")), until=_time(request.GET.get("until", ""))
    )
    return JsonResponse({"after": points[-1].id if points else 0, "columns": curves.columns(points)})


@require_GET
@project_page
def run_slice_curves(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """`{"columns"}` of the slice that the query names."""
    shown = selectors.run_get(project=project, run_id=run_id)
    return JsonResponse({"columns": slice_columns(shown, request.GET.get("slice", ""))})


def _framed(run: Run, project: Project, tab: str) -> dict[str, Any]:
    """What `training/run_frame.html` takes."""
    return {
        "project": project,
        "page": "runs",
        "run": run,
        "tab": tab,
        "ended": run.state in ENDED,
        "order": order_told(run=run),
        "may_resume": run.state in RESUMABLE and why_not_resumable(run) is None,
    }


def _time(text: str) -> datetime | None:
    """Seconds since 1970 as a time; None for what is no such number."""
    try:
        seconds = float(text)
        return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds < MAX_SECONDS else None
    except ValueError:
        return None
