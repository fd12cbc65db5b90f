"""The parameter-sync page's stream: where trainer and replicas stand, each second, and how it went, each ten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_GET

from webapp.accounts.console import project_stream, roles
from webapp.accounts.models import Project
from webapp.core.sse import sse_response
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import model_version
from webapp.serving.sync_page import DEFAULT_WINDOW, WINDOWS, publish_page, sync_now, sync_pictures

INTERVAL_S = 1.0
PICTURES_EVERY = 10
"""Turns; longer where a picture's bins are."""
MAX_LIFE_S = 300.0
READS: Mapping[str, bool] = {"may_edit": False}


@require_GET
@project_stream
async def sync(request: HttpRequest, project: Project, name: str, version: int) -> HttpResponseBase:
    followed = await sync_to_async(model_version)(project=project, name=name, version=version)
    window_s, _ = WINDOWS.get(request.GET.get("window", ""), WINDOWS[DEFAULT_WINDOW])
    return sse_response(_updates(project, followed, window_s, roles(request)), max_life_s=MAX_LIFE_S)


async def _updates(
    project: Project, followed: ModelVersion, window_s: int, may: Mapping[str, bool]
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    turn, every = 0, max(PICTURES_EVERY, window_s // 240)
    while True:
        # the page has pictures when it is loaded
        turn += 1
        with_pictures = window_s if turn % every == 0 else None
        yield "update", await sync_to_async(sync_update)(project, followed, with_pictures, may)
        await asyncio.sleep(INTERVAL_S)


def sync_update(
    project: Project, followed: ModelVersion, window_s: int | None = None, may: Mapping[str, bool] = READS
) -> dict[str, Any]:
    """The page's parts as HTML, and the trainer's and each replica's sequence; with `window_s` the pictures over that long too. `may`: what
    the member who looks may do (`webapp.accounts.console.roles`).
    """
    context = {"project": project, **may, **sync_now(model_version=followed)}
    status = context["status"]
    sequences = {"trainer": status["trainer"]["sequence"]}
    sequences |= {f"{one['name']} · {one['deployment']}": one["sequence"] for one in status["replicas"]}
    publishes = {**context, "publishes": publish_page(model_version=followed)}
    update = {
        "html": render_to_string("serving/sync_status.html", context),
        "publishes": render_to_string("serving/publishes.html", publishes),
        "at_s": timezone.now().timestamp(),
        "sequences": sequences,
    }
    if window_s is not None:
        pictures = {"project": project, **sync_pictures(model_version=followed, window_s=window_s)}
        update["pictures"] = render_to_string("serving/sync_pictures.html", pictures)
    return update
