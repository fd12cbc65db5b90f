"""Imports of a project."""

from __future__ import annotations

from webapp.accounts.models import Project
from webapp.catalog.models import Import
from webapp.core.errors import NotFound
from webapp.core.paging import Page, newest_page


def imports_page(*, project: Project, cursor: str | None = None, limit: int = 50) -> Page[Import]:
    """Newest first. Raises `Invalid` for a broken cursor."""
    rows = Import.objects.filter(project=project).select_related("project", "created_by").defer("choices")
    return newest_page(rows, cursor=cursor, limit=limit)


def import_get(*, project: Project, import_id: int) -> Import:
    """Raises `NotFound`."""
    found = Import.objects.filter(project=project, pk=import_id).select_related("project", "created_by").first()
    if found is None:
        raise NotFound(f"There is no import {import_id}.")
    return found
