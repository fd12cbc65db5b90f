"""Events into the log, users and items into the catalogue: the two writes that everything else learns from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import orjson
from django.db import transaction

from engine.spec.block_validation import EncodedEvents
from engine.spec.document import shorten
from engine.spec.event import CatalogChange
from engine.spec.validation import RejectedRow
from engine.streams import topics
from engine.streams.log import Position, Record
from webapp.accounts.models import Project
from webapp.catalog import known_items, storage
from webapp.catalog.confirming import with_what_was_served
from webapp.catalog.counting import note_events
from webapp.catalog.entities import (
    PutReport,
    PutResult,
    append_changes,
    item_patch,
    item_put,
    items_put,
    user_patch,
    user_put,
    users_put,
)
from webapp.catalog.ingest_report import IngestReport, RowResult
from webapp.catalog.senders import door_of, note_sent
from webapp.core.clock import wall_ms
from webapp.core.log import append
from webapp.registry.selectors import schema_compiled

__all__ = [
    "IngestReport",
    "PutReport",
    "PutResult",
    "RowResult",
    "events_ingest",
    "item_patch",
    "item_put",
    "items_put",
    "user_patch",
    "user_put",
    "users_put",
]

MAX_REJECTED_KEPT = 10_000
MAX_ROW_KEPT_CHARACTERS = 8_000

Accept = Callable[[Project, Collection[str]], set[str]]


def events_ingest(
    *,
    project: Project,
    rows: Sequence[object],
    source: str,
    first_row_number: int = 0,
    clock_ms: Callable[[], int] = wall_ms,
) -> IngestReport:
    """Validate, drop repeats, append to the log; each row is judged by itself, all of them by one version of the schema.

    When it returns, accepted events are durable. When it raises (`LogError`), no event of the batch was accepted and the
    same batch may be sent again. `first_row_number` is where the batch starts in its file, for the rows that are refused.
    """
    compiled = schema_compiled(project=project)
    encoded = compiled.blocks.encode(rows, received_ms=clock_ms())
    encoded.values = with_what_was_served(project, encoded.values)

    def write(accept: Accept) -> dict[int, Position]:
        with transaction.atomic():
            fresh = _fresh(project, encoded, accept)
            if compiled.schema.create_items_from_events:
                _create_items(project, encoded, fresh, clock_ms())
            if encoded.rejected:
                _keep_rejected(project, door_of(source), first_row_number, encoded.rejected)
            # Last, so that nothing of ours can fail after the log has the events; a failing append rolls back all above.
            positions = append(project.slug, topics.events(project.slug), _records(encoded, fresh))
        return dict(zip(fresh, positions, strict=True))

    try:
        positions = write(storage.accept_new_event_ids)
    except storage.RepeatedEventIds:
        positions = write(storage.accept_event_ids)
    num_rejected = len(encoded.rejected)
    num_repeated = len(rows) - num_rejected - len(positions)
    note_events(project.slug, num_accepted=len(positions), num_repeated=num_repeated, num_rejected=num_rejected)
    note_sent(project.slug, source, positions.values(), num_repeated=num_repeated, num_rejected=num_rejected)
    return IngestReport(len(rows), encoded, positions, compiled.version)


def _fresh(project: Project, encoded: EncodedEvents, accept: Accept) -> Sequence[int]:
    """Numbers of the good rows whose id is new, each id once: its first row."""
    num_rows = len(encoded.event_ids)
    if not num_rows:
        return ()
    first_of = dict(zip(reversed(encoded.event_ids), range(num_rows - 1, -1, -1), strict=True))
    accepted = accept(project, first_of)
    if len(accepted) == num_rows:
        return range(num_rows)
    return sorted(first_of[event_id] for event_id in accepted)


def _create_items(project: Project, encoded: EncodedEvents, fresh: Sequence[int], now_ms: int) -> None:
    item_ids: set[str | None] = {encoded.item_ids[number] for number in fresh}
    item_ids.discard(None)
    for number in encoded.listed.keys() & set(fresh) if encoded.listed else ():
        item_ids.update(encoded.listed[number])
    created = known_items.create_unknown(project, item_ids)  # type: ignore[arg-type]  # None was discarded
    append_changes(project, [CatalogChange("item", item_id, updated_ms=now_ms) for item_id in created])


def _records(encoded: EncodedEvents, fresh: Sequence[int]) -> list[Record]:
    if len(fresh) == len(encoded.values):
        return list(map(Record, encoded.user_ids, encoded.values, encoded.timestamps_ms))
    return [Record(encoded.user_ids[one], encoded.values[one], encoded.timestamps_ms[one]) for one in fresh]


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
