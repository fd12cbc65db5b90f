"""The parameter-sync page's stream: where trainer and replicas stand, each second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_GET

from webapp.accounts.console import project_stream
from webapp.accounts.models import Project
from webapp.core.sse import sse_response
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import model_version
from webapp.serving import selectors
from webapp.serving.freshness_series import freshness_now, freshness_of
from webapp.serving.sync_orders import orders_described

INTERVAL_S = 1.0
MAX_LIFE_S = 300.0
DELTAS_SHOWN = 20


@require_GET
@project_stream
async def sync(_request: HttpRequest, project: Project, name: str, version: int) -> HttpResponseBase:
    followed = await sync_to_async(model_version)(project=project, name=name, version=version)
    return sse_response(_updates(project, followed), max_life_s=MAX_LIFE_S)


async def _updates(project: Project, followed: ModelVersion) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    while True:
        yield "update", await sync_to_async(sync_update)(project, followed)
        await asyncio.sleep(INTERVAL_S)


def sync_update(project: Project, followed: ModelVersion) -> dict[str, Any]:
    """The page's tables as HTML, one point of its charts with a line for the trainer and one for each replica, and how fresh they are."""
    context = sync_context(model_version=followed)
    status = context["status"]
    sequences, ages = {"trainer": status["trainer"]["sequence"]}, {}
    for replica in status["replicas"]:
        label = f"{replica['name']} · {replica['deployment']}"
        sequences[label], ages[label] = replica["sequence"], replica["age_s"]
    return {
        "html": render_to_string("serving/sync_status.html", {"project": project, **context}),
        "publishes": render_to_string("serving/publishes.html", context),
        "at_s": timezone.now().timestamp(),
        "sequences": sequences,
        "ages": ages,
        "freshness": freshness_now(model_version=followed),
    }


def sync_context(*, model_version: ModelVersion) -> dict[str, Any]:
    """`status` as `selectors.sync_status`, and what the newest deltas carry on average."""
    status = selectors.sync_status(model_version=model_version)
    # Those that only say how far training came carry nothing.
    deltas = [one for one in status["deltas"] if one["kind"] == "rows" and one["num_rows"] + one["num_deletes"]]
    ages = [replica["age_s"] for replica in status["replicas"] if replica["age_s"] is not None]
    return {
        "status": status,
        "freshness": freshness_of(model_version=model_version),
        "orders": orders_described(model_version=model_version),
        "deltas": status["deltas"][:DELTAS_SHOWN],
        "mean_rows": sum(delta["num_rows"] for delta in deltas) / len(deltas) if deltas else None,
        "mean_bytes": sum(delta["num_bytes"] for delta in deltas) / len(deltas) if deltas else None,
        "oldest_age_s": max(ages, default=None),
    }
