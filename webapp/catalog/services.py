"""Events into the log, users and items into the catalogue: the two writes that everything else learns from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson
from django.db import transaction

from engine.errors import Problem
from engine.spec.document import shorten
from engine.spec.event import CatalogChange, Event
from engine.spec.validation import RejectedRow, ValidationResult
from engine.streams import topics
from engine.streams.log import Position, Record
from webapp.accounts.models import Project
from webapp.catalog import storage
from webapp.catalog.entities import (
    PutReport,
    PutResult,
    append_changes,
    item_delete,
    item_patch,
    item_put,
    items_put,
    user_delete,
    user_patch,
    user_put,
    users_put,
)
from webapp.core.clock import wall_ms
from webapp.core.log import append
from webapp.registry.selectors import event_validator, schema_document

__all__ = [
    "IngestReport",
    "PutReport",
    "PutResult",
    "RowResult",
    "events_ingest",
    "impression_log",
    "item_delete",
    "item_patch",
    "item_put",
    "items_put",
    "user_delete",
    "user_patch",
    "user_put",
    "users_put",
]

MAX_REJECTED_KEPT = 10_000
MAX_ROW_KEPT_CHARACTERS = 8_000


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row. `partition` and `offset` are its place in the log, for an accepted row only."""

    index: int
    event_id: str | None
    status: Literal["accepted", "repeated", "rejected"]
    partition: int | None = None
    offset: int | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class IngestReport:
    """One result for each row, in the rows' order."""

    results: list[RowResult]
    num_accepted: int
    num_repeated: int
    num_rejected: int


def events_ingest(
    *,
    project: Project,
    rows: Sequence[object],
    source: str,
    first_row_number: int = 0,
    clock_ms: Callable[[], int] = wall_ms,
) -> IngestReport:
    """Validate, drop repeats, append to the log; each row is judged by itself.

    When it returns, accepted events are durable. When it raises (`LogError`), no event of the batch was accepted and the
    same batch may be sent again. `first_row_number` is where the batch starts in its file, for the rows that are refused.
    """
    validated = event_validator(project=project).validate(rows, received_ms=clock_ms())
    with transaction.atomic():
        fresh = _fresh(project, validated)
        events = [validated.events[number] for number in fresh]
        if schema_document(project=project).create_items_from_events:
            _create_items(project, events, clock_ms())
        if validated.rejected:
            _keep_rejected(project, source, first_row_number, validated.rejected)
        # Last, so that nothing of ours can fail after the log has the events; a failing append rolls back all above.
        positions = append(project.slug, topics.events(project.slug), [_record(event) for event in events])
    return _report(len(rows), validated, dict(zip(fresh, positions, strict=True)))


def impression_log(*, project: Project, event: Event) -> Position:
    """Append an impression that we served ourselves: its id is new and its items are the catalogue's. Raises `LogError`."""
    return append(project.slug, topics.events(project.slug), [_record(event)])[0]


def _fresh(project: Project, validated: ValidationResult) -> list[int]:
    """Numbers in `validated.events` of those whose id is new, each id once: its first row."""
    first_of: dict[str, int] = {}
    for number, event in enumerate(validated.events):
        first_of.setdefault(event.event_id, number)
    if not first_of:
        return []
    accepted = storage.accept_event_ids(project, first_of)
    return [number for event_id, number in first_of.items() if event_id in accepted]


def _create_items(project: Project, events: Iterable[Event], now_ms: int) -> None:
    item_ids = {event.item_id for event in events if event.item_id is not None}
    item_ids.update(shown.item_id for event in events for shown in event.items)
    if not item_ids:
        return
    created = storage.create_absent_items(project, item_ids)
    append_changes(project, [CatalogChange("item", item_id, updated_ms=now_ms) for item_id in created])


def _record(event: Event) -> Record:
    return Record(event.user_id, event.to_bytes(), event.timestamp_ms)


def _keep_rejected(project: Project, source: str, first_row_number: int, rejected: list[RejectedRow]) -> None:
    rows = [
        (first_row_number + row.index, _storable(row.row), _storable([problem.as_dict() for problem in row.problems]))
        for row in rejected
    ]
    storage.keep_rejected(project, source[:200], rows, MAX_REJECTED_KEPT)


def _storable(value: object) -> str:
    """JSON that jsonb can hold: what is too long, is no JSON, or has a NUL character is kept as shortened text."""
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, ValueError):
        text = ""
    if text and len(text) <= MAX_ROW_KEPT_CHARACTERS and "\\u0000" not in text:
        return text
    return orjson.dumps(ascii(shorten(value))).decode()


def _report(num_rows: int, validated: ValidationResult, position_of: dict[int, Position]) -> IngestReport:
    results: list[RowResult | None] = [None] * num_rows
    for number, (index, event) in enumerate(zip(validated.indexes, validated.events, strict=True)):
        position = position_of.get(number)
        if position is None:
            results[index] = RowResult(index, event.event_id, "repeated")
        else:
            results[index] = RowResult(index, event.event_id, "accepted", position.partition, position.offset)
    for row in validated.rejected:
        results[row.index] = RowResult(row.index, None, "rejected", problems=row.problems)
    return IngestReport(
        results=[result for result in results if result is not None],
        num_accepted=len(position_of),
        num_repeated=len(validated.events) - len(position_of),
        num_rejected=len(validated.rejected),
    )
