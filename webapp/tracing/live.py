"""The event debugger's streams: what arrives, twice a second, and one event while it travels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET

from engine.errors import LogError
from webapp.accounts.console import project_stream
from webapp.accounts.models import Project
from webapp.core.errors import Invalid
from webapp.core.sse import sse_response
from webapp.tracing.tail import TailPlaces, tail_news
from webapp.tracing.tail_rows import TailFilter
from webapp.tracing.trace import Tracer
from webapp.tracing.views import event_of, trace_context

TAIL_EVERY_S = 0.5
TRACE_EVERY_S = 0.5
MAX_LIFE_S = 300.0

Updates = AsyncIterator[tuple[str, dict[str, Any]]]


@require_GET
@project_stream
async def event_debugger(request: HttpRequest, project: Project) -> HttpResponseBase:
    """From `after` on, or from where a browser that lost the stream says that it was."""
    try:
        wanted = TailFilter.of_query(request.GET)
        after = TailPlaces.parse(request.headers.get("Last-Event-ID") or request.GET.get("after", ""))
    except Invalid as error:
        return HttpResponse(error.message, status=400, content_type="text/plain")
    return sse_response(_news(project, wanted, after), max_life_s=MAX_LIFE_S)


@require_GET
@project_stream
async def event_trace(request: HttpRequest, project: Project) -> HttpResponseBase:
    try:
        event_id, at = event_of(request.GET)
    except Invalid as error:
        return HttpResponse(error.message, status=400, content_type="text/plain")
    if not event_id:
        return HttpResponse("event_id is missing", status=400, content_type="text/plain")
    return sse_response(_way(project, Tracer(project, event_id, at)), max_life_s=MAX_LIFE_S)


async def _news(project: Project, wanted: TailFilter, after: TailPlaces) -> Updates:
    yield "update", {"after": str(after), "rows": "", "num_passed": 0}
    while True:
        update = await sync_to_async(_news_update)(project, wanted, after)
        if update is not None:
            after = TailPlaces.parse(update["after"])
            yield "update", update
        await asyncio.sleep(TAIL_EVERY_S)


def _news_update(project: Project, wanted: TailFilter, after: TailPlaces) -> dict[str, Any] | None:
    """None where nothing that is wanted has come; a log that does not answer has no news."""
    try:
        news = tail_news(project=project, wanted=wanted, after=after)
    except LogError:
        return None
    if not news.rows and not news.num_passed and str(news.places) == str(after):
        return None
    rows = render_to_string("tracing/tail_rows.html", {"project": project, "rows": news.rows})
    return {"after": str(news.places), "rows": rows, "num_passed": news.num_passed}


async def _way(project: Project, tracer: Tracer) -> Updates:
    said = ""
    while True:
        html, is_over = await sync_to_async(_way_update)(project, tracer)
        if html != said or is_over:
            said = html
            yield "update", {"html": html, "ended": is_over}
        if is_over:
            return
        await asyncio.sleep(TRACE_EVERY_S)


def _way_update(project: Project, tracer: Tracer) -> tuple[str, bool]:
    trace = tracer.look()
    return render_to_string("tracing/way.html", trace_context(project, trace)), trace.is_over
