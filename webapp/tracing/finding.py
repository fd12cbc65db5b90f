"""An event by its id: the API remembers when it accepted it, so that only the log around that moment is looked at."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from engine.errors import CorruptRecord, UnknownTopic
from engine.spec.event import Event
from engine.spec.intake import Intake, received_ms_of
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord
from webapp.accounts.models import Project
from webapp.catalog.models import AcceptedEvent, DeadEvent, RejectedRow
from webapp.catalog.storage import event_digest
from webapp.core.log import event_log
from webapp.registry.selectors import event_validator
from webapp.tracing.seeking import backwards, bounds_of, first_behind, forwards

AROUND_MS: Final = 2_000
"""An id is kept in the transaction of the append, whose events were received shortly before."""

LOOKED_AT_AROUND: Final = 10_000
LOOKED_AT_NEWEST: Final = 5_000
REFUSED_LOOKED_AT: Final = 1_000


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event and its place in the project's `events`."""

    partition: int
    offset: int
    event: Event

    @property
    def place(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class NotFound:
    """Where an id was looked for in vain. `accepted_at`: when it was accepted, of an event that the log has let go or that lies too far
    from there; `newest_since`: back to when every event was looked at, in ms; `rejected`, `dead`: refused rows that name the id.
    """

    accepted_at: datetime | None
    newest_since_ms: int | None
    rejected: RejectedRow | None = None
    dead: DeadEvent | None = None


def event_find(*, project: Project, event_id: str, at: tuple[int, int] | None = None) -> FoundEvent | NotFound:
    """The event with this id; `at`, its partition and offset, spares the search. Raises `LogError`."""
    log, topic = event_log(), topics.events(project.slug)
    search = _Search(project, event_id, log, topic)
    try:
        if at is not None and (found := search.at(*at)):
            return found
        accepted_at = _accepted_at(project, event_id)
        if accepted_at is not None:
            found = search.around(accepted_at)
            return found or NotFound(accepted_at, None)
        found, since_ms = search.newest()
        return found or NotFound(None, since_ms, _rejected(project, event_id), _dead(project, event_id))
    except UnknownTopic:
        return NotFound(None, None, _rejected(project, event_id))


class _Search:
    def __init__(self, project: Project, event_id: str, log: EventLog, topic: str) -> None:
        self._event_id, self._log, self._topic = event_id, log, topic
        self._needle = orjson.dumps(event_id)
        self._intake = Intake(event_validator(project=project), time.time)

    def at(self, partition: int, offset: int) -> FoundEvent | None:
        held = bounds_of(self._log, self._topic).get(partition)
        if held is None or offset not in held:
            return None
        return self._first(self._log.read(self._topic, partition, offset, 1))

    def around(self, moment: datetime) -> FoundEvent | None:
        at_ms = int(moment.timestamp() * 1000)
        for partition, held in bounds_of(self._log, self._topic).items():
            start = first_received(self._log, self._topic, partition, held, at_ms - AROUND_MS)
            found = self._first(forwards(self._log, self._topic, partition, start, LOOKED_AT_AROUND))
            # A batch that waited for its append long was received long before its ids were kept.
            found = found or self._first(
                backwards(self._log, self._topic, partition, range(held.start, start), LOOKED_AT_AROUND)
            )
            if found:
                return found
        return None

    def newest(self) -> tuple[FoundEvent | None, int | None]:
        """Among the newest of each partition; else back to when they go."""
        since: list[int] = []
        for partition, held in bounds_of(self._log, self._topic).items():
            oldest: StoredRecord | None = None
            for record in backwards(self._log, self._topic, partition, held, LOOKED_AT_NEWEST):
                if found := self._first([record]):
                    return found, None
                oldest = record
            if oldest is not None:
                since.append(_received_ms(oldest) or oldest.timestamp_ms)
        return None, max(since, default=None)

    def _first(self, records: Iterable[StoredRecord]) -> FoundEvent | None:
        for record in records:
            if self._needle in record.value:
                try:
                    event = self._intake.read(record.value, record.timestamp_ms)
                except CorruptRecord:
                    continue
                if event.event_id == self._event_id:
                    return FoundEvent(record.partition, record.offset, event)
        return None


def first_received(log: EventLog, topic: str, partition: int, held: range, since_ms: int) -> int:
    """The first offset of `events` that was received at or after `since_ms`, or the end."""

    def is_behind(record: StoredRecord) -> bool | None:
        received_ms = _received_ms(record)
        return None if received_ms is None else received_ms >= since_ms

    return first_behind(log, topic, partition, held, is_behind)


def _received_ms(record: StoredRecord) -> int | None:
    try:
        return received_ms_of(record.value, record.timestamp_ms)
    except CorruptRecord:
        return None


def _accepted_at(project: Project, event_id: str) -> datetime | None:
    digest = uuid.UUID(bytes=event_digest(event_id))
    rows = AcceptedEvent.objects.filter(project=project, digest=digest)
    return rows.values_list("accepted_at", flat=True).first()


def _rejected(project: Project, event_id: str) -> RejectedRow | None:
    newest = RejectedRow.objects.filter(project=project).order_by("-received_at", "-id")[:REFUSED_LOOKED_AT]
    for row in newest:
        if isinstance(row.row, dict) and row.row.get("event_id") == event_id:
            return row
    return None


def _dead(project: Project, event_id: str) -> DeadEvent | None:
    needle = orjson.dumps(event_id).decode()
    newest = DeadEvent.objects.filter(project=project).order_by("-id")[:REFUSED_LOOKED_AT]
    return next((row for row in newest.iterator() if needle in row.value), None)


def when(at_ms: int | None) -> datetime | None:
    """Milliseconds since 1970 as a time."""
    return None if at_ms is None else datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)
