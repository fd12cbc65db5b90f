"""Exports of a project, and those that nobody works on."""

from __future__ import annotations

from django.db.models import QuerySet

from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.core.selectors import is_held
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


def exports_to_revive() -> QuerySet[Export]:
    """Exports that are wanted and have not ended, and that no worker holds."""
    waiting = Export.objects.filter(state__in=(Export.State.QUEUED, Export.State.RUNNING), wanted=True)
    return waiting.exclude(is_held("export:")).order_by("pk")
