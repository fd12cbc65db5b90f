"""When each stage reached an example: the step that learned it, the publish that carried it, the replicas that serve it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson
from django.db import connection

from engine.errors import UnknownTopic
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.tracing.finding import when
from webapp.tracing.models import ROW_S, JoinerHistory, ReplicaHistory
from webapp.tracing.seeking import bounds_of, first_behind, forwards

ROW: Final = timedelta(seconds=ROW_S)
STEPS_LOOKED_AT: Final = 32
ROWS_LOOKED_AT: Final = 30

_FIRST_STEPS = """
SELECT steps FROM tracing_trainerhistory
WHERE model_version_id = %s AND at >= %s AND (steps -> -1 -> 1 ->> %s)::bigint > %s ORDER BY at LIMIT 1
"""

_FIRST_PUBLISH = """
SELECT marks FROM tracing_trainerhistory
WHERE model_version_id = %s AND at >= %s AND (marks -> -1 -> 'examples' ->> %s)::bigint > %s ORDER BY at LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class StepFound:
    """The step that learned an example: when it was written down, ms since 1970; its examples are from `since` to before `until`."""

    at_ms: int
    since: int
    until: int
    num_examples: int


@dataclass(frozen=True, slots=True)
class PublishFound:
    """The publish that carried what was learned: its deltas are numbered `first` to `last`."""

    at_ms: int
    first: int
    last: int
    num_rows: int
    num_deletes: int
    num_bytes: int


def joined_at_ms(*, project: Project, partition: int, offset: int, since_ms: int) -> int | None:
    """When the joiner took the step with this event; None when that is not kept, or not yet."""
    since = when(since_ms)
    assert since is not None
    rows = JoinerHistory.objects.filter(project=project, at__gte=since - ROW).order_by("at")
    for marks in rows.values_list("marks", flat=True)[:ROWS_LOOKED_AT]:
        for at_ms, places in marks:
            if places.get(str(partition), 0) > offset:
                return int(at_ms)
    return None


def step_of(*, log: EventLog, version: ModelVersion, partition: int, offset: int) -> StepFound | None:
    """None when no step that is still kept learned it. Raises `LogError`."""
    topic = topics.trainer_steps(version.model.project.slug, version.model.name, version.version)
    try:
        held = bounds_of(log, topic).get(0, range(0))
    except UnknownTopic:
        return None
    first = first_behind(log, topic, 0, held, lambda record: _is_past(record, partition, offset))
    for record in forwards(log, topic, 0, first, STEPS_LOOKED_AT):
        for step in _steps(record):
            places = {int(one): (int(since), int(until)) for one, since, until in step["places"]}
            if partition in places and places[partition][0] <= offset < places[partition][1]:
                num_examples = sum(until - since for since, until in places.values())
                return StepFound(int(step["now_ms"]), *places[partition], num_examples)
    return None


def learned_at_ms(*, version: ModelVersion, partition: int, offset: int, since_ms: int) -> int | None:
    """When training had passed the example, to a quarter of a second; None when that is not kept, or not yet."""
    for at_ms, places in _first(_FIRST_STEPS, version, partition, offset, since_ms):
        if places.get(str(partition), 0) > offset:
            return int(at_ms)
    return None


def publish_of(*, version: ModelVersion, partition: int, offset: int, since_ms: int) -> PublishFound | None:
    """The first publish after which training had passed the example, of those that are kept."""
    for mark in _first(_FIRST_PUBLISH, version, partition, offset, since_ms):
        if mark["examples"].get(str(partition), 0) > offset:
            counts = (mark["rows"], mark["deletes"], mark["bytes"])
            return PublishFound(mark["at_ms"], mark["first"], mark["last"], *counts)
    return None


def served_at_ms(*, version: ModelVersion, replica: str, sequence: int, since_ms: int) -> int | None:
    """When the replica began to answer with this sequence or a later one; None when that is not kept, or not yet."""
    since = when(since_ms)
    assert since is not None
    rows = ReplicaHistory.objects.filter(
        model_version=version, replica=replica, at__gte=since - ROW, sequence__gte=sequence
    )
    marks: Sequence[Sequence[int]] | None = rows.order_by("at").values_list("marks", flat=True).first()
    return next((at_ms for at_ms, reached in marks or () if reached >= sequence), None)


def _is_past(record: StoredRecord, partition: int, offset: int) -> bool | None:
    untils = [int(until) for step in _steps(record) for one, _, until in step["places"] if int(one) == partition]
    return max(untils) > offset if untils else None


def _steps(record: StoredRecord) -> Iterable[dict[str, Any]]:
    try:
        said = orjson.loads(record.value)
    except ValueError:
        return ()
    return said.get("steps", ()) if isinstance(said, dict) else ()


def _first(query: str, version: ModelVersion, partition: int, offset: int, since_ms: int) -> Sequence[Any]:
    """The marks of the first row that passed the example."""
    since = when(since_ms)
    assert since is not None
    with connection.cursor() as cursor:
        cursor.execute(query, [version.pk, since - ROW, str(partition), offset])
        found = cursor.fetchone()
    if found is None:
        return ()
    # a raw cursor gives jsonb as text
    marks: Sequence[Any] = orjson.loads(found[0]) if isinstance(found[0], str | bytes) else found[0]
    return marks
