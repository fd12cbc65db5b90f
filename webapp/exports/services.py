"""Exports are asked for, stopped and deleted; workers note how far they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import F

from engine.errors import UnknownTopic
from engine.streams import topics
from webapp.accounts.models import Account, Project
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict, Invalid
from webapp.core.log import event_log
from webapp.exports.models import Export
from webapp.long_jobs.services import long_job_delete, long_job_send, long_job_stop, long_jobs_refuse_more

MAX_AT_WORK: Final = 5
MAX_KEPT: Final = 50
MAX_TYPES: Final = 100


def export_start(
    *,
    project: Project,
    what: str,
    format: str,
    types: Sequence[str] = (),
    since: datetime | None = None,
    account: Account | None = None,
) -> Export:
    """Ask for an export of what there is now. Raises `Invalid`, `Conflict` when too many are at work or kept, `LogError`."""
    for field, value, known in (("what", what, Export.What.values), ("format", format, Export.Format.values)):
        if value not in known:
            raise Invalid.field(field, f"must be one of {', '.join(known)}", repr(value[:40]))
    if len(types) > MAX_TYPES:
        raise Invalid.field("types", f"must be at most {MAX_TYPES}", str(len(types)))
    is_events = what == Export.What.EVENTS
    position, until = _range(project) if is_events else ({}, {})
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        of_project = Export.objects.filter(project=project)
        long_jobs_refuse_more(of_project=of_project, most=MAX_AT_WORK)
        if of_project.count() >= MAX_KEPT:
            raise Conflict(f"{MAX_KEPT} exports are kept; delete one first.")
        export = Export.objects.create(
            project=project,
            what=what,
            format=format,
            types=list(types) if is_events else [],
            since=since if is_events else None,
            position=position,
            until=until,
            num_rows=sum(end - position[partition] for partition, end in until.items()),
            created_by=account,
        )
        audit_record(project=project, action="export_start", target=str(export))
        long_job_send(job=export)
    return export


def export_stop(*, export: Export) -> Export:
    """As `long_job_stop`."""
    return long_job_stop(job=export)


def export_delete(*, export: Export) -> None:
    """The export and its file go. Raises `Conflict` while it is at work."""
    long_job_delete(job=export, folder=export.folder)


def export_part_done(*, export: Export, position: dict[str, Any], num_looked_at: int, num_rows: int) -> None:
    """A part is on the disk. From now on a restart begins behind it."""
    Export.objects.filter(pk=export.pk).update(
        num_parts=F("num_parts") + 1,
        num_looked_at=F("num_looked_at") + num_looked_at,
        num_done=F("num_done") + num_rows,
        position=position,
    )
    export.refresh_from_db()


def _range(project: Project) -> tuple[dict[str, int], dict[str, int]]:
    """From the oldest event held to the newest one of now, by partition."""
    log, topic = event_log(), topics.events(project.slug)
    try:
        earliest, ends = log.earliest_offsets(topic), log.end_offsets(topic)
    except UnknownTopic:
        return {}, {}
    return {str(one): earliest[one] for one in ends}, {str(one): end for one, end in ends.items()}
