"""The page of rows that the API and imports turned away."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.catalog import selectors
from webapp.catalog.models import RejectedRow
from webapp.catalog.services import MAX_REJECTED_KEPT

PAGE_SIZE = 50


@require_GET
@project_page
def rejected(request: HttpRequest, project: Project) -> HttpResponseBase:
    """Newest first, of one source where `source` names it; with `format=jsonl` all that are kept, as a file."""
    source = request.GET.get("source", "")
    if request.GET.get("format") == "jsonl":
        headers = {"Content-Disposition": f'attachment; filename="{project.slug}-rejected.jsonl"'}
        lines = _lines(project, source)
        return StreamingHttpResponse(lines, content_type="application/x-ndjson", headers=headers)
    return _page(request, project, source)


def _page(request: HttpRequest, project: Project, source: str) -> HttpResponse:
    cursor = request.GET.get("cursor") or None
    context = {
        "project": project,
        "page": "inbox",
        "tab": "rejected",
        "found": selectors.rejected_page(project=project, source=source, cursor=cursor, limit=PAGE_SIZE),
        "sources": selectors.rejected_sources(project=project),
        "source": source,
        "is_first": cursor is None,
        "num_kept": MAX_REJECTED_KEPT,
    }
    return render(request, "catalog/rejected.html", context)


def _lines(project: Project, source: str) -> Iterator[bytes]:
    cursor: str | None = None
    while True:
        page = selectors.rejected_page(project=project, source=source, cursor=cursor, limit=1000)
        yield b"".join(map(_line, page.rows))
        cursor = page.next_cursor
        if cursor is None:
            return


def _line(row: RejectedRow) -> bytes:
    document = {
        "received_at": row.received_at.isoformat(),
        "source": row.source,
        "row": row.row_number,
        "problems": row.problems,
        "received": row.row,
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
