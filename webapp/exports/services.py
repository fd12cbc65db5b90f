"""Exports are asked for, stopped and deleted; workers note how far they are."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from engine.errors import UnknownTopic
from engine.streams import topics
from webapp.accounts.models import Account, Project
from webapp.audit.services import audit_record
from webapp.core import jobs
from webapp.core.errors import Conflict, Invalid
from webapp.core.log import event_log
from webapp.core.selectors import lease_holder
from webapp.exports.models import Export

ENDED: Final = (Export.State.STOPPED, Export.State.SUCCEEDED, Export.State.FAILED)
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
    """Ask for an export of what there is now. Raises `Invalid`, `Conflict` when too many are at work or kept, `LogError`.

    The job is sent after the commit; should Redis be away just then, `freshet.revive` sends it later.
    """
    for field, value, known in (("what", what, Export.What.values), ("format", format, Export.Format.values)):
        if value not in known:
            raise Invalid.field(field, f"must be one of {', '.join(known)}", repr(value[:40]))
    if len(types) > MAX_TYPES:
        raise Invalid.field("types", f"must be at most {MAX_TYPES}", str(len(types)))
    is_events = what == Export.What.EVENTS
    position, until = _range(project) if is_events else ({}, {})
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        if Export.objects.filter(project=project, wanted=True).count() >= MAX_AT_WORK:
            raise Conflict(f"{MAX_AT_WORK} exports are at work or wait; stop one first, or wait.")
        if Export.objects.filter(project=project).count() >= MAX_KEPT:
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
        audit_record(project=project, action="export_start", target=_target(export))
        transaction.on_commit(lambda: jobs.send(jobs.Job.EXPORT_DATA, export_id=export.pk), robust=True)
    return export


def export_stop(*, export: Export) -> Export:
    """Ask for its end. Its worker stops at its next look; with no worker on it, it is stopped now."""
    open_exports = Export.objects.filter(pk=export.pk).exclude(state__in=ENDED)
    with transaction.atomic():
        if open_exports.filter(wanted=True).update(wanted=False):
            audit_record(project=export.project, action="export_stop", target=_target(export))
    if lease_holder(name=export.lease_name) is None:
        open_exports.update(state=Export.State.STOPPED, finished_at=Now())
    export.refresh_from_db()
    return export


def export_delete(*, export: Export) -> None:
    """The export and its file go. Raises `Conflict` while it is at work."""
    if export.state not in ENDED:
        raise Conflict(f"Export {export.pk} is at work; stop it first.")
    folder = export.folder
    with transaction.atomic():
        audit_record(project=export.project, action="export_delete", target=_target(export))
        export.delete()
    shutil.rmtree(folder, ignore_errors=True)


def exports_end_unwanted() -> None:
    """Those that were to stop and whose worker is gone."""
    for export in Export.objects.filter(wanted=False).exclude(state__in=ENDED):
        export_stop(export=export)


def export_started(*, export: Export, num_rows: int) -> None:
    """A worker has taken it up; the first start stays."""
    Export.objects.filter(pk=export.pk).update(
        state=Export.State.RUNNING, started_at=Coalesce(F("started_at"), Now()), error="", num_rows=num_rows
    )
    export.refresh_from_db()


def export_part_done(*, export: Export, position: dict[str, Any], num_looked_at: int, num_rows: int) -> None:
    """A part is on the disk. From now on a restart begins behind it."""
    Export.objects.filter(pk=export.pk).update(
        num_parts=F("num_parts") + 1,
        num_looked_at=F("num_looked_at") + num_looked_at,
        num_done=F("num_done") + num_rows,
        position=position,
    )
    export.refresh_from_db()


def export_finished(
    *, export: Export, state: Export.State, num_bytes: int = 0, is_cut: bool = False, error: str = ""
) -> None:
    """The end, whichever it is."""
    Export.objects.filter(pk=export.pk).update(
        state=state, wanted=False, num_bytes=num_bytes, is_cut=is_cut, error=error[:2_000], finished_at=Now()
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


def _target(export: Export) -> str:
    return f"export {export.pk} of {export.what}"
