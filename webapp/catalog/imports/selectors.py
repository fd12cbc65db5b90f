"""Imports of a project."""

from __future__ import annotations

from webapp.accounts.models import Project
from webapp.catalog.models import Import
from webapp.core.errors import Invalid, NotFound
from webapp.core.paging import Page, clamp, cursor_of, key_of


def imports_page(*, project: Project, cursor: str | None = None, limit: int = 50) -> Page[Import]:
    """Newest first. Raises `Invalid` for a broken cursor."""
    rows = Import.objects.filter(project=project).select_related("project", "created_by").defer("choices")
    if cursor:
        key = key_of(cursor)
        if not key.isdecimal() or len(key) > 18:
            raise Invalid.field("cursor", "must be a next_cursor of an earlier answer", repr(cursor[:80]))
        rows = rows.filter(pk__lt=int(key))
    limit = clamp(limit)
    found = list(rows.order_by("-pk")[: limit + 1])
    page = found[:limit]
    return Page(page, cursor_of(str(page[-1].pk)) if len(found) > limit else None)


def import_get(*, project: Project, import_id: int) -> Import:
    """Raises `NotFound`."""
    found = Import.objects.filter(project=project, pk=import_id).select_related("project", "created_by").first()
    if found is None:
        raise NotFound(f"There is no import {import_id}.")
    return found
