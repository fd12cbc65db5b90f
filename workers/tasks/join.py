"""Joining: one project's impressions and actions into examples, for as long as the project exists and no other needs the place more."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from django.conf import settings
from django.db import DataError, IntegrityError

from engine.errors import LeaseLost, OffsetOutOfRange
from engine.joining.process import JoinerProcess
from engine.joining.state import JoinerSettings
from engine.spec.schema import Schema
from engine.streams import topics
from webapp.accounts.models import Project
from webapp.catalog.arrivals import events_arrived
from webapp.catalog.inbox_taking import inbox_note_unwritten, inbox_room, inbox_take
from webapp.catalog.judging import schema_version_judged_by, schema_version_note
from webapp.core.garbage import SettingAside
from webapp.core.jobs import Job
from webapp.core.log import event_log
from webapp.registry.selectors import schema_current, schema_version
from webapp.training import services
from workers import sent
from workers.celery_app import app
from workers.erasing import JoinerErasures
from workers.folders import joiner_folder
from workers.fresh_connection import drop_broken_connection
from workers.joiner_turn import QUIET_S, JoinerTurn
from workers.leases import HeldLease, held
from workers.pacing import Pace
from workers.runs import MAX_ERROR_LENGTH, OUTAGES
from workers.stopping import STOP
from workers.travel_notes import JoinerNotes

logger = logging.getLogger(__name__)

POLL_TIMEOUT_S = 0.2
LINGER_S = 0.1
"""Few events are joined together, so often at most: each step is written to the log before it is done, which for every event alone took
as long as joining it."""
MUCH = 200
REPORT_EVERY_S = 1.0
QUIET_REPORT_EVERY_S = 5.0


@app.task(name=Job.JOIN.value)
def join(project_id: int) -> None:
    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        return
    with held(f"joiner:{project.pk}") as lease:
        if lease is None:
            return
        sent.forget_sent(Job.JOIN, project.pk)
        with STOP.watching() as should_end:
            try:
                _follow(project, lease, should_end)
            except LeaseLost as error:
                logger.warning("joiner of %s: %s; its new holder carries on", project.slug, error)
            except OffsetOutOfRange as error:
                logger.warning("joiner of %s: %s", project.slug, error)
                services.joiner_report(project=project, error=error.message[:MAX_ERROR_LENGTH])
            except OUTAGES as error:
                logger.warning("joiner of %s: a server is away (%s); it will be tried again", project.slug, error)
            except Exception as error:
                logger.exception("joiner of %s failed and will be tried again", project.slug)
                services.joiner_report(project=project, error=f"{type(error).__name__}: {error}"[:MAX_ERROR_LENGTH])


def _follow(project: Project, lease: HeldLease, should_end: Callable[[], bool]) -> None:
    """Join until told to end, or the turn is over. A new schema version begins with the old one's checkpoint."""
    turn = JoinerTurn()

    def ends() -> bool:
        return should_end() or lease.is_lost or turn.is_over

    is_first = True
    while not ends():
        current = schema_current(project=project)
        if is_first:
            _finish_earlier_schema(project, current.version, lease)
        schema_version_note(project=project, version=current.version)
        with closing(_process(project, Schema.parse(current.document, "schema"), lease)) as process:
            logger.info("joiner of %s started with schema version %d", project.slug, current.version)
            if not _join_until(process, project, current.version, turn, ends):
                return
            lease.fence()
            process.checkpoint()
            is_first = False
            _report(process, project, is_resting=turn.is_over and process.is_at_rest)
            if turn.is_over:
                logger.info("joiner of %s makes room for another project", project.slug)


def _finish_earlier_schema(project: Project, current: int, lease: HeldLease) -> None:
    """A joiner that was killed before its last checkpoint, and a schema published since: what it did is done again by its own schema.

    By the new one other events would pass, and other examples come of them than those that are in the log already.
    """
    before = schema_version_judged_by(project=project)
    if before is None or before == current:
        return
    document = schema_version(project=project, version=before).document
    with closing(_process(project, Schema.parse(document, "schema"), lease)) as process:
        lease.fence()
        process.checkpoint()


def _process(project: Project, schema: Schema, lease: HeldLease) -> JoinerProcess:
    rules = JoinerSettings.from_schema(
        schema, max_pending=settings.JOINER_MAX_WAITING, max_pending_bytes=settings.JOINER_MEMORY_BYTES
    )
    process = JoinerProcess(
        event_log(),
        project.slug,
        schema,
        joiner_folder(project),
        time.time,
        fence=lease.fence,
        settings=rules,
        on_arrivals=lambda events: events_arrived(project=project, events=events),
        on_erased=JoinerErasures(project),
    )
    process.dead.room = lambda: inbox_room(project=project)
    return process


def _join_until(
    process: JoinerProcess, project: Project, schema_version: int, turn: JoinerTurn, ends: Callable[[], bool]
) -> bool:
    """Until told to end or there is another schema version; False when there is no such project any more."""
    looks, garbage, notes = Pace(REPORT_EVERY_S), SettingAside(), JoinerNotes(event_log(), project)
    quiet_reports, num_read = Pace(QUIET_REPORT_EVERY_S), 0
    while not ends():
        num_read += _take(process, is_quiet=turn.quiet_s >= QUIET_S)
        if not looks.is_due():
            continue
        drop_broken_connection()
        garbage.turn()
        if not Project.objects.filter(pk=project.pk).exists():
            return False
        turn.look(was_busy=num_read > 0)
        if quiet_reports.is_due() or num_read:
            _report(process, project)
            notes.turn()
        num_read = 0
        if schema_current(project=project).version != schema_version:
            break
    return True


def _take(process: JoinerProcess, *, is_quiet: bool) -> int:
    """What is there, of a quiet project after a rest: to look for the next event twenty times a second costs more than its joining."""
    started_s = time.monotonic()
    num_read = process.poll(0.0 if is_quiet else POLL_TIMEOUT_S)
    if is_quiet and not num_read:
        time.sleep(POLL_TIMEOUT_S)
    elif 0 < num_read < MUCH:
        time.sleep(max(0.0, LINGER_S - (time.monotonic() - started_s)))
    return num_read


def _report(process: JoinerProcess, project: Project, *, is_resting: bool = False) -> None:
    services.joiner_report(project=project, is_resting=is_resting, **_progress(process, project))
    try:
        inbox_take(project=project)
        inbox_note_unwritten(project=project, counted=process.dead.counted)
    except (DataError, IntegrityError):
        # What PostgreSQL will not hold must not keep the good events from being joined.
        logger.exception("the inbox of %s could not take what was refused", project.slug)


def _progress(process: JoinerProcess, project: Project) -> dict[str, Any]:
    """The values of `JoinerProgress`."""
    counters, offsets = process.counters, process.event_offsets
    ends = event_log().end_offsets(topics.events(project.slug))
    return {
        "events_offsets": offsets,
        "num_events": counters.num_events,
        "num_examples": counters.num_examples,
        "num_positives": counters.num_positives,
        "num_negatives": counters.num_negatives,
        "num_orphans": counters.num_orphans,
        "num_duplicates": counters.num_duplicates,
        "num_pending": process.num_pending,
        "lag_records": sum(max(0, end - offsets.get(partition, 0)) for partition, end in ends.items()),
        "tallies": counters.to_json() | process.waiting,
        "agreement": process.agreement,
        "error": _about_dead(process, project)[:MAX_ERROR_LENGTH],
    }


def _about_dead(process: JoinerProcess, project: Project) -> str:
    """Of records that others wrote to the topic and that are no events."""
    if not process.dead.num_buried:
        return ""
    return (
        f"{process.dead.num_buried} records of {topics.events(project.slug)} are no events and were put into "
        f"{topics.events_dead(project.slug)}; the last is {process.dead.last}"
    )
