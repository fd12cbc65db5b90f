"""Exports of a project."""

from __future__ import annotations

from django.db.models import QuerySet

from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.exports.models import Export


def exports_of(*, project: Project) -> QuerySet[Export]:
    """Newest first; of a project never more than `services.MAX_KEPT`."""
    return Export.objects.filter(project=project).select_related("project", "created_by").order_by("-pk")


def export_get(*, project: Project, export_id: int) -> Export:
    """Raises `NotFound`."""
    found = exports_of(project=project).filter(pk=export_id).first()
    if found is None:
        raise NotFound(f"There is no export {export_id}.")
    return found
