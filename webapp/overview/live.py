"""The home page's stream: the health strip every two seconds, what changed and what needs attention every ten."""

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
from webapp.core.remembered import Remembered
from webapp.core.sse import sse_response
from webapp.overview.attention import attention_of
from webapp.overview.changes import changes_of
from webapp.overview.health import health_of
from webapp.overview.totals import totals_of

INTERVAL_S = 2.0
LISTS_EVERY = 5
MAX_LIFE_S = 300.0

# Many may look at the same home: it is made once for all of them.
_strips: Remembered[int, str] = Remembered(INTERVAL_S * 0.75, max_entries=256)
_lists: Remembered[int, dict[str, str]] = Remembered(INTERVAL_S * LISTS_EVERY * 0.75, max_entries=256)


@require_GET
@project_stream
async def overview(_request: HttpRequest, project: Project) -> HttpResponseBase:
    return sse_response(_updates(project), max_life_s=MAX_LIFE_S)


async def _updates(project: Project) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    number = 0
    while True:
        yield "update", await sync_to_async(overview_update)(project, with_lists=number % LISTS_EVERY == 0)
        number += 1
        await asyncio.sleep(INTERVAL_S)


def overview_update(project: Project, *, with_lists: bool) -> dict[str, Any]:
    """Parts of the page as HTML, by the id of what they replace the contents of."""
    parts = {"health": _strips.get(project.pk, lambda: strip_html(project))}
    if with_lists:
        parts |= _lists.get(project.pk, lambda: lists_html(project))
    return {"parts": parts}


def strip_html(project: Project) -> str:
    return render_to_string("accounts/overview_health.html", {"health": health_of(project=project)})


def lists_html(project: Project) -> dict[str, str]:
    return {
        "attention": render_to_string("accounts/overview_attention.html", {"findings": attention_of(project=project)}),
        "changes": render_to_string("accounts/overview_changes.html", {"changes": changes_of(project=project)}),
        "totals": render_to_string("accounts/overview_totals.html", {"totals": totals_of(project=project)}),
    }
