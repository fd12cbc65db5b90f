"""Batches of a project."""

from __future__ import annotations

from django.db.models import QuerySet

from webapp.accounts.models import Project
from webapp.batches.models import Batch
from webapp.core.errors import NotFound


def batches_of(*, project: Project) -> QuerySet[Batch]:
    """Newest first, without the users asked for, which may be many."""
    return Batch.objects.filter(project=project).select_related("project").defer("user_ids")


def batch_get(*, project: Project, batch_id: int) -> Batch:
    """Raises `NotFound`."""
    found = batches_of(project=project).filter(pk=batch_id).first()
    if found is None:
        raise NotFound(f"There is no batch {batch_id}.")
    return found
