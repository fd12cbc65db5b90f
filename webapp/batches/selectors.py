"""Batches of a project, and those that nobody works on."""

from __future__ import annotations

from django.db.models import QuerySet

from webapp.accounts.models import Project
from webapp.batches.models import Batch
from webapp.core.errors import NotFound
from webapp.core.selectors import is_held


def batches_of(*, project: Project) -> QuerySet[Batch]:
    """Newest first, without the users asked for, which may be many."""
    return Batch.objects.filter(project=project).select_related("project").defer("user_ids")


def batch_get(*, project: Project, batch_id: int) -> Batch:
    """Raises `NotFound`."""
    found = batches_of(project=project).filter(pk=batch_id).first()
    if found is None:
        raise NotFound(f"There is no batch {batch_id}.")
    return found


def batches_to_revive() -> list[Batch]:
    """Batches that are wanted and have not ended, and that no worker holds."""
    waiting = Batch.objects.filter(state__in=(Batch.State.QUEUED, Batch.State.RUNNING), wanted=True)
    return list(waiting.exclude(is_held("batch:")).defer("user_ids").order_by("id"))
