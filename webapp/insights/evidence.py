"""What the checks look at: bounded samples of a project's events, items and users, counts of events, and what models read."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from django.db import connection

from engine.errors import CorruptRecord, OffsetOutOfRange, UnknownTopic
from engine.serving.event_reading import read_event
from engine.spec.event import Event
from engine.spec.intake import Intake
from engine.spec.schema import Schema
from engine.streams import topics
from webapp.accounts.models import Project
from webapp.catalog.models import RejectedRow
from webapp.core.log import event_log
from webapp.insights.counting import HOUR_S, OWN_TYPES
from webapp.insights.models import EventCount, EventCounting
from webapp.registry.schema_meaning import ModelInUse
from webapp.registry.schema_uses import models_in_use
from webapp.registry.selectors import schema_compiled

HOUR_MS: Final = 1000 * HOUR_S
DAY_MS: Final = 24 * HOUR_MS
NUM_SLICES: Final = 24
RECORDS_PER_SLICE: Final = 250
REACH_MS: Final = 7 * DAY_MS
MAX_ENTITIES: Final = 20_000
"""Of items and of users so many are looked at."""

_FEW: Final = 1_000

# Pages of the table by chance, so that the cost does not grow with it; of a small table everything.
_SAMPLE = """
SELECT external_id, properties, {seen} FROM {table} TABLESAMPLE SYSTEM ({percent}) WHERE project_id = %s LIMIT %s
"""
_FIRST = "SELECT external_id, properties, {seen} FROM {table} WHERE project_id = %s ORDER BY external_id LIMIT %s"
_ROWS = "SELECT greatest(reltuples, 0)::float8 FROM pg_class WHERE oid = %s::regclass"


@dataclass(frozen=True, slots=True)
class EntityRow:
    """A sampled user or item; `is_seen` says that an event about the item was counted (always, of users)."""

    id: str
    properties: dict[str, Any]
    is_seen: bool


@dataclass(slots=True)
class Evidence:
    """`hours` has for each type its events by the hour they were received in (ms), for the last eight days."""

    project: Project
    now_ms: int
    schema: Schema
    models: list[ModelInUse] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    hours: dict[str, dict[int, int]] = field(default_factory=dict)
    items: list[EntityRow] = field(default_factory=list)
    users: list[EntityRow] = field(default_factory=list)
    num_rejected_day: int = 0
    is_counted: bool = True

    def of_type(self) -> dict[str, list[Event]]:
        """The sampled events by type."""
        found: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            found[event.type].append(event)
        return found

    def num_since(self, event_type: str, since_ms: int) -> int:
        return sum(num for hour, num in self.hours.get(event_type, {}).items() if hour >= since_ms)

    def readers_of(self, source: str) -> list[str]:
        """Names of the models that read this source, by itself or in a feature."""
        return [model.name for model in self.models if source in _sources_of(model)]


def gather(*, project: Project, now_ms: int) -> Evidence:
    """Raises `LogError`. Reads at most `NUM_SLICES` slices of the log and `MAX_ENTITIES` rows of each entity."""
    schema = schema_compiled(project=project)
    a_day_ago = datetime.fromtimestamp((now_ms - DAY_MS) / 1000, tz=UTC)
    return Evidence(
        project=project,
        now_ms=now_ms,
        schema=schema.schema,
        models=models_in_use(project=project),
        events=_sampled_events(project, Intake(schema.validator, time.time), now_ms - REACH_MS),
        hours=_hours(project, now_ms - 8 * DAY_MS),
        items=_sampled("catalog_item", project, "seen_at IS NOT NULL"),
        users=_sampled("catalog_user", project, "true"),
        num_rejected_day=RejectedRow.objects.filter(project=project, received_at__gte=a_day_ago).count(),
        is_counted=not EventCounting.objects.filter(project=project, is_behind=True).exists(),
    )


def _sampled_events(project: Project, intake: Intake, since_ms: int) -> list[Event]:
    """Slices at equal distances over what was received lately: everything, where that is no more than the slices hold."""
    log, topic = event_log(), topics.events(project.slug)
    try:
        ends, earliest = log.end_offsets(topic), log.earliest_offsets(topic)
    except UnknownTopic:
        return []
    found: list[Event] = []
    each = max(1, NUM_SLICES // max(1, len(ends)))
    for partition, end in ends.items():
        for start in _starts(earliest[partition], end, each):
            try:
                records = log.read(topic, partition, start, min(RECORDS_PER_SLICE, end - start))
            except OffsetOutOfRange:
                continue  # trimmed while we read
            for record in records:
                try:
                    event = read_event(record.value, record.timestamp_ms, intake)
                except CorruptRecord:
                    continue
                if event.received_ms >= since_ms and not event.type.startswith(OWN_TYPES):
                    found.append(event)
    return found


def _starts(first: int, end: int, num: int) -> Iterator[int]:
    room = num * RECORDS_PER_SLICE
    if end - first <= room:
        yield from range(first, end, RECORDS_PER_SLICE)
        return
    step = (end - first - RECORDS_PER_SLICE) / max(1, num - 1)
    yield from (first + round(step * number) for number in range(num))


def _hours(project: Project, since_ms: int) -> dict[str, dict[int, int]]:
    since = datetime.fromtimestamp(since_ms / 1000, tz=UTC)
    rows = EventCount.objects.filter(project=project, span_s=HOUR_S, at__gte=since)
    found: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for event_type, at, num in rows.values_list("type", "at", "num"):
        found[event_type][int(at.timestamp() * 1000)] = num
    return dict(found)


def _sampled(table: str, project: Project, seen: str) -> list[EntityRow]:
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [table])
        num_rows = float(cursor.fetchone()[0])
        percent = min(100.0, 100.0 * MAX_ENTITIES / num_rows) if num_rows else 100.0
        cursor.execute(_SAMPLE.format(table=table, seen=seen, percent=f"{percent:.6f}"), [project.pk, MAX_ENTITIES])
        rows = cursor.fetchall()
        if percent < 100 and len(rows) < _FEW:  # a small project beside large ones
            cursor.execute(_FIRST.format(table=table, seen=seen), [project.pk, MAX_ENTITIES])
            rows = cursor.fetchall()
    return [EntityRow(row[0], _document(row[1]), row[2]) for row in rows]


def _document(value: Any) -> dict[str, Any]:
    found = orjson.loads(value) if isinstance(value, str | bytes) else value
    return found if isinstance(found, dict) else {}


def _sources_of(model: ModelInUse) -> set[str]:
    definition = model.definition
    found = {slot.source for slot in definition.slots} | {dense.source for dense in definition.dense}
    return found.union(*(feature.inputs for feature in definition.features))
