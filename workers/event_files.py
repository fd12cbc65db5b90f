"""A batch run over a file of events: joined into examples once, which the run then learns from, however often it begins again."""

from __future__ import annotations

import hashlib
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from engine.errors import CorruptRecord, InvalidDocument, Problem
from engine.spec.document import shorten
from engine.spec.event import CatalogChange, Event
from engine.spec.schema import Schema
from engine.spec.validation import EventValidator
from engine.streams import topics
from engine.streams.log import EventLog
from webapp.accounts.models import Project
from webapp.catalog.importing.api_rows import MAPPING_SUFFIX, event_rows
from webapp.catalog.importing.reading import BrokenRow
from webapp.catalog.importing.rows import Row
from webapp.registry.selectors import schema_current

if TYPE_CHECKING:
    from engine.training.example_records import ExampleRecords

logger = logging.getLogger(__name__)

JOINED: Final = "joined_events"
_READ: Final = 1000
_BATCH: Final = 4096
_CHUNK_BYTES: Final = 1 << 20


@dataclass(slots=True)
class EventsRead:
    """What a file's rows came to; `first_problem` says why the first of the refused rows was."""

    num_events: int = 0
    num_refused: int = 0
    first_problem: str = ""
    problems: list[Problem] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"num_refused": self.num_refused, "first_problem": self.first_problem}


def examples_of_events(
    project: Project,
    path: Path,
    log: EventLog,
    folder: Path,
    *,
    on_events: Callable[[int], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.time,
) -> ExampleRecords:
    """The examples that the project's joiner would make of the file's events, in the order of their times.

    They are kept in `folder`, and made once for the file, its mapping, the schema and the catalogue as they are; their `meta` says how
    many rows were refused and why the first of them was. Raises `Interrupted`,
    `InvalidDocument` for a file without the columns or without an event that the schema takes, OSError, `LogError`.
    """
    from engine.training.example_records import ExampleRecords
    from engine.training.joined_events import join_events

    schema = Schema.parse(schema_current(project=project).document, "schema")
    catalog = topics.catalog(project.slug)
    log.create_topic(catalog)
    ends = log.end_offsets(catalog)
    fingerprint = _fingerprint(path, schema, ends)
    try:
        records = ExampleRecords(folder)
        if records.meta.get("fingerprint") == fingerprint:
            return records
        records.close()
    except CorruptRecord:
        pass
    read = EventsRead()
    join_events(
        _events(event_rows(path, schema), EventValidator(schema), read, clock),
        _changes(log, catalog, ends),
        schema,
        folder,
        lambda: {"fingerprint": fingerprint, "file": path.name, **read.as_json()},
        on_events=on_events,
        should_stop=should_stop,
    )
    if read.num_refused:
        logger.warning("%s: %d rows are no events, the first: %s", path.name, read.num_refused, read.first_problem)
    if not read.num_events:
        raise InvalidDocument(path.name, read.problems or [Problem("file", "must have events", "none")])
    return ExampleRecords(folder)


def _events(
    rows: Iterator[Row | BrokenRow], validator: EventValidator, read: EventsRead, clock: Callable[[], float]
) -> Iterator[list[Event]]:
    """What the schema takes, in the same order."""
    while batch := list(itertools.islice(rows, _BATCH)):
        good = [row for row in batch if isinstance(row, Row)]
        for broken in (row for row in batch if isinstance(row, BrokenRow)):
            _refuse(read, broken.number, [Problem("(row)", broken.rule, broken.text)])
        judged = validator.validate([row.event for row in good], received_ms=int(clock() * 1000))
        for refused in judged.rejected:
            _refuse(read, good[refused.index].number, list(refused.problems))
        timed = [
            event for place, event in zip(judged.indexes, judged.events, strict=True) if _has_time(read, good[place])
        ]
        read.num_events += len(timed)
        yield timed


def _has_time(read: EventsRead, row: Row) -> bool:
    """An event of the past that does not say when it was cannot be put in order."""
    if row.timestamp_ms is None:
        _refuse(
            read, row.number, [Problem("timestamp", "must say when the event was", shorten(row.event.get("timestamp")))]
        )
    return row.timestamp_ms is not None


def _refuse(read: EventsRead, number: int, problems: list[Problem]) -> None:
    read.num_refused += 1
    if not read.first_problem:
        first = problems[0]
        read.first_problem = f"row {number}: {first.field} {first.rule} (received {first.received})"
        read.problems = [Problem(f"row {number}: {one.field}", one.rule, one.received) for one in problems]


def _changes(log: EventLog, topic: str, ends: dict[int, int]) -> Iterator[CatalogChange]:
    """The catalogue as the log tells it up to `ends`; what cannot be read is stepped over, as the joiner does."""
    for partition, first in log.earliest_offsets(topic).items():
        offset = first
        while offset < ends[partition]:
            records = log.read(topic, partition, offset, min(_READ, ends[partition] - offset))
            if not records:
                break
            offset = records[-1].offset + 1
            yield from _readable(record.value for record in records)


def _readable(values: Iterable[bytes]) -> Iterator[CatalogChange]:
    for value in values:
        try:
            yield CatalogChange.from_bytes(value)
        except CorruptRecord as error:
            logger.warning("a catalogue change was stepped over: %s", error)


def _fingerprint(path: Path, schema: Schema, ends: dict[int, int]) -> str:
    """Of everything that decides which examples come."""
    digest = hashlib.sha256()
    beside = path.with_name(path.name + MAPPING_SUFFIX)
    for one in (path, beside):
        if one.is_file():
            with one.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
        digest.update(b"\n")
    settings: dict[str, Any] = {"schema": schema.as_json(), "catalog": {str(key): end for key, end in ends.items()}}
    digest.update(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS))
    return digest.hexdigest()
