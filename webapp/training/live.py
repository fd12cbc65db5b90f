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
from webapp.training.models import Run, RunMetric
from webapp.training.reports import report_context

INTERVAL_S = 1.0
MAX_LIFE_S = 300.0
MAX_POINTS = 1000
MAX_ID_DIGITS = 18
ENDED = frozenset({Run.State.STOPPED, Run.State.SUCCEEDED, Run.State.FAILED})


@require_GET
@project_stream
async def run(request: HttpRequest, project: Project, run_id: int) -> HttpResponseBase:
    after_id = point_id(request.headers.get("Last-Event-ID", ""))
    await sync_to_async(selectors.run_get)(project=project, run_id=run_id)
    return sse_response(_updates(project, run_id, after_id), max_life_s=MAX_LIFE_S)


async def _updates(project: Project, run_id: int, after_id: int) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    reported_at = None
    while True:
        update = await sync_to_async(run_update)(
            project=project, run_id=run_id, after_id=after_id, reported_at=reported_at
        )
        after_id, reported_at = update["after"], update.pop("reported_at")
        yield "update", update
        if update["ended"]:
            return
        await asyncio.sleep(INTERVAL_S)


def run_update(*, project: Project, run_id: int, after_id: int, reported_at: datetime | None = None) -> dict[str, Any]:
    """What a page that has points up to `after_id`, and the report of `reported_at`, lacks: points, the summary as HTML, the report as
    HTML (None when it has it), and whether the run has ended."""
    shown = selectors.run_get(project=project, run_id=run_id)
    points = selectors.run_metrics(run=shown, after_id=after_id, limit=MAX_POINTS)
    return {
        "points": [_point(metric) for metric in points],
        "after": points[-1].pk if points else after_id,
        "html": render_to_string("training/run_summary.html", {"run": shown, "project": project}),
        "report": None if shown.reported_at in (None, reported_at) else render_report(shown),
        "reported_at": shown.reported_at,
        "ended": shown.state in ENDED,
    }


def render_report(run: Run) -> str:
    """Metrics by slice, the reliability curve and the tables, as HTML."""
    return render_to_string("training/run_report.html", report_context(run))


def point_id(text: str) -> int:
    """The id of the newest point a page says it has; 0, which asks for all, for what is no such id."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS else 0


def _point(metric: RunMetric) -> dict[str, Any]:
    curves = {name: value for name, value in metric.values.items() if name != "slices"}
    return {**curves, "at_s": metric.at.timestamp(), "num_examples": metric.num_examples}
