"""Which schema version the joiner goes by, so that what a killed joiner did by an earlier one is done again by that one."""

from __future__ import annotations

from webapp.accounts.models import Project
from webapp.catalog.inbox_models import Inbox


def schema_version_judged_by(*, project: Project) -> int | None:
    """None before the project's first joiner."""
    return Inbox.objects.filter(project=project).values_list("schema_version", flat=True).first()


def schema_version_note(*, project: Project, version: int) -> None:
    """Say so before anything is joined by it, and after everything joined by another is in a checkpoint."""
    Inbox.objects.update_or_create(project=project, defaults={"schema_version": version})
