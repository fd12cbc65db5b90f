"""The event debugger's pages: what arrives, and the way of one event."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from webapp.accounts.console import project_page
from webapp.accounts.models import ApiKey, Project
from webapp.core.errors import Invalid
from webapp.registry.selectors import schema_document
from webapp.tracing.tail import TailPage, tail_page
from webapp.tracing.tail_rows import TailFilter
from webapp.tracing.trace import Trace, Tracer

MAX_ID_CHARACTERS = 1024
KEYS_OFFERED = 50


@require_GET
@project_page
def event_debugger(request: HttpRequest, project: Project) -> HttpResponse:
    wanted = TailFilter.of_query(request.GET)
    until_ms = _until(request.GET)
    found = tail_page(project=project, wanted=wanted, until_ms=until_ms)
    keys = ApiKey.objects.filter(project=project, revoked_at=None).order_by("name")[:KEYS_OFFERED]
    context = {
        "project": project,
        "page": "event_debugger",
        "wanted": wanted,
        "until_ms": until_ms,
        "found": found,
        "types": sorted(schema_document(project=project).events),
        "keys": keys,
        **_addresses(project, wanted, found, until_ms),
    }
    return render(request, "tracing/debugger.html", context)


@require_GET
@project_page
def event_trace(request: HttpRequest, project: Project) -> HttpResponse:
    event_id, at = event_of(request.GET)
    trace = Tracer(project, event_id, at).look() if event_id else None
    context = {"project": project, "page": "event_debugger", "event_id": event_id, **trace_context(project, trace)}
    context["live_url"] = f"{reverse('event_trace_live', args=[project.slug])}?{request.GET.urlencode()}"
    return render(request, "tracing/trace.html", context)


def event_of(query: QueryDict) -> tuple[str, tuple[int, int] | None]:
    """The `event_id` that is asked for, and `at`, its partition and offset where they are known. Raises `Invalid`."""
    event_id, at = query.get("event_id", "").strip(), query.get("at", "")
    if len(event_id) > MAX_ID_CHARACTERS or "\x00" in event_id:
        raise Invalid.field(
            "event_id", f"must have at most {MAX_ID_CHARACTERS} characters and no NUL", repr(event_id[:80])
        )
    partition, _, offset = at.partition(":")
    if not at:
        return event_id, None
    if not (partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit() and len(at) < 30):
        raise Invalid.field("at", "must be <partition>:<offset>", repr(at[:80]))
    return event_id, (int(partition), int(offset))


def trace_context(project: Project, trace: Trace | None) -> dict[str, Any]:
    return {"project": project, "trace": trace}


def _until(query: QueryDict) -> int | None:
    """Raises `Invalid`."""
    until = query.get("until", "")
    if not until:
        return None
    if not (until.isascii() and until.isdigit() and len(until) <= 15):
        raise Invalid.field("until", "must be milliseconds since 1970", repr(until[:80]))
    return int(until)


def _addresses(project: Project, wanted: TailFilter, found: TailPage, until_ms: int | None) -> dict[str, str]:
    """Of the page as it stands, of the page before, of the newest, and of the stream."""
    page = reverse("event_debugger", args=[project.slug])

    def address(**more: object) -> str:
        query = urlencode({**wanted.query, **more})
        return f"{page}?{query}" if query else page

    stands_at = until_ms or (found.rows[0].at_ms if found.rows else found.places.at_ms)
    live = urlencode({**wanted.query, "after": str(found.places)})
    return {
        "paused_url": address(until=stands_at),
        "newest_url": address(),
        "older_url": address(until=found.older_ms) if found.older_ms else "",
        "live_url": f"{reverse('event_debugger_live', args=[project.slug])}?{live}",
    }
