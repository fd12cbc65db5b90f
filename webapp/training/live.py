"""The run page's stream: new points of its curves and its summary, while it works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
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
    while True:
        update = await sync_to_async(run_update)(project=project, run_id=run_id, after_id=after_id)
        after_id = update["after"]
        yield "update", update
        if update["ended"]:
            return
        await asyncio.sleep(INTERVAL_S)


def run_update(*, project: Project, run_id: int, after_id: int) -> dict[str, Any]:
    """What a page that has points up to `after_id` lacks: points, the summary as HTML, and whether the run has ended."""
    shown = selectors.run_get(project=project, run_id=run_id)
    points = selectors.run_metrics(run=shown, after_id=after_id, limit=MAX_POINTS)
    return {
        "points": [_point(metric) for metric in points],
        "after": points[-1].pk if points else after_id,
        "html": render_to_string("training/run_summary.html", {"run": shown, "project": project}),
        "ended": shown.state in ENDED,
    }


def point_id(text: str) -> int:
    """The id of the newest point a page says it has; 0, which asks for all, for what is no such id."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS else 0


def _point(metric: RunMetric) -> dict[str, Any]:
    return {**metric.values, "at_s": metric.at.timestamp(), "num_examples": metric.num_examples}
