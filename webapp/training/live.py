"""The run page's stream: new points of its curves and its summary, while it works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET

from webapp.accounts.console import project_stream
from webapp.accounts.models import Project
from webapp.core.sse import sse_response
from webapp.training import selectors
from webapp.training.curves import run_points
from webapp.training.models import Run
from webapp.training.reports import PARTS, render_report
from webapp.training.run_log import level_of, run_log_after
from webapp.training.run_orders import order_told

INTERVAL_S = 1.0
MAX_LIFE_S = 300.0
MAX_ID_DIGITS = 18
ENDED = frozenset({Run.State.STOPPED, Run.State.SUCCEEDED, Run.State.FAILED})


@require_GET
@project_stream
async def run(request: HttpRequest, project: Project, run_id: int) -> HttpResponseBase:
    """Points after `after`, or after what the browser had before it connected again; `part` and `sort` as of `run_update`."""
    after_id = point_id(request.headers.get("Last-Event-ID", request.GET.get("after", "")))
    part, sort = request.GET.get("part", ""), request.GET.get("sort", "")
    await sync_to_async(selectors.run_get)(project=project, run_id=run_id)
    return sse_response(_updates(project, run_id, after_id, part if part in PARTS else "", sort), max_life_s=MAX_LIFE_S)


async def _updates(
    project: Project, run_id: int, after_id: int, part: str, sort: str
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    reported_at = None
    while True:
        update = await sync_to_async(run_update)(
            project=project, run_id=run_id, after_id=after_id, reported_at=reported_at, part=part, sort=sort
        )
        after_id, reported_at = update["after"], update.pop("reported_at")
        yield "update", update
        if update["ended"]:
            return
        await asyncio.sleep(INTERVAL_S)


def run_update(
    *,
    project: Project,
    run_id: int,
    after_id: int,
    reported_at: datetime | None = None,
    part: str = "",
    sort: str = "",
) -> dict[str, Any]:
    """What a page lacks: the points after `after_id`, the summary as HTML, of a page of a report's `part` that part as HTML (None when
    it has that of `reported_at`; such a page has no curves), and whether the run has ended."""
    shown = selectors.run_get(project=project, run_id=run_id)
    points = [] if part else run_points(run=shown, after_id=after_id)
    is_news = bool(part) and shown.reported_at not in (None, reported_at)
    context = {"run": shown, "project": project, "order": order_told(run=shown)}
    return {
        "points": [point.as_json() for point in points],
        "after": points[-1].id if points else after_id,
        "html": render_to_string("training/run_summary.html", context),
        "report": render_report(shown, part, sort) if is_news else None,
        "reported_at": shown.reported_at,
        "ended": shown.state in ENDED,
    }


def point_id(text: str) -> int:
    """The id of the newest point a page says it has; 0, which asks for all, for what is no such id."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS else 0


@require_GET
@project_stream
async def log(request: HttpRequest, project: Project, run_id: int) -> HttpResponseBase:
    """Lines of the run's log after the one that `after` names, as grave as `level` or graver."""
    after_id = point_id(request.headers.get("Last-Event-ID", request.GET.get("after", "")))
    await sync_to_async(selectors.run_get)(project=project, run_id=run_id)
    level = request.GET.get("level", "")
    return sse_response(_lines(project, run_id, after_id, level), max_life_s=MAX_LIFE_S)


async def _lines(project: Project, run_id: int, after_id: int, level: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    while True:
        update = await sync_to_async(log_update)(project=project, run_id=run_id, after_id=after_id, level=level)
        after_id = update["after"]
        yield "update", update
        if update["ended"]:
            return
        await asyncio.sleep(INTERVAL_S)


def log_update(*, project: Project, run_id: int, after_id: int, level: str) -> dict[str, Any]:
    """What a page that has lines up to `after_id` lacks, as HTML, and whether the run has ended."""
    shown = selectors.run_get(project=project, run_id=run_id)
    lines = run_log_after(run=shown, after_id=after_id, level=level_of(level))
    return {
        "html": render_to_string("training/log_lines.html", {"lines": lines}) if lines else "",
        "after": lines[-1].pk if lines else after_id,
        "ended": shown.state in ENDED,
    }
