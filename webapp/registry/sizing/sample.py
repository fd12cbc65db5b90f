"""A small sample of what a project's models learn from: examples from all over the log, and the catalogue where there are none yet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import QuerySet

from engine.errors import CorruptRecord, UnknownTopic
from engine.spec.example import Example, Origin
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord
from webapp.accounts.models import Project
from webapp.catalog.models import Entity, Item, User
from webapp.core.log import event_log
from webapp.core.remembered import Remembered

MOST_EXAMPLES: Final = 2_000
NUM_PLACES: Final = 20
"""Parts of the log that a sample of a longer one is from."""

MOST_ENTITIES: Final = 1_000
COUNTED_EXACTLY: Final = 20_000
_KEPT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class CatalogueSample:
    """Of users or items: how many there are, `is_exact` or as PostgreSQL's planner estimates, and the properties of some."""

    num: int
    is_exact: bool
    properties: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class DataSample:
    """`examples` are `fraction` of the `num_examples` that the log holds, whose events happened within `span_s`.

    `known_users` and `known_items`: the share of the sampled ids that the catalogue has.
    """

    examples: Sequence[Example]
    num_examples: int
    fraction: float
    span_s: float
    users: CatalogueSample
    items: CatalogueSample
    known_users: float = 0.0
    known_items: float = 0.0


@dataclass(slots=True)
class _Read:
    examples: list[Example] = field(default_factory=list)
    num_records: int = 0
    num_held: int = 0


_kept: Remembered[int, DataSample] = Remembered(_KEPT_S, max_entries=8)


def data_sample(*, project: Project) -> DataSample:
    """At most `MOST_EXAMPLES` examples; taken again after five minutes."""
    return _kept.get(project.pk, lambda: _sample(project))


def _sample(project: Project) -> DataSample:
    read = _read_examples(event_log(), topics.examples(project.slug))
    times = [example.event_time_ms for example in read.examples]
    span_s = (max(times) - min(times)) / 1000 if times else 0.0
    with_properties = not read.examples
    return DataSample(
        read.examples,
        read.num_held,
        read.num_records / read.num_held if read.num_held else 1.0,
        span_s,
        _catalogue(User, project, with_properties),
        _catalogue(Item, project, with_properties),
        _known(User, project, {example.user_id for example in read.examples}),
        _known(Item, project, {example.item_id for example in read.examples}),
    )


def _read_examples(log: EventLog, topic: str) -> _Read:
    read = _Read()
    try:
        ends, earliest = log.end_offsets(topic), log.earliest_offsets(topic)
    except UnknownTopic:
        return read
    held = {partition: end - earliest[partition] for partition, end in ends.items()}
    read.num_held = sum(held.values())
    for partition, num in held.items():
        share = MOST_EXAMPLES if read.num_held <= MOST_EXAMPLES else MOST_EXAMPLES * num // read.num_held
        for offset, limit in _places(earliest[partition], num, min(share, num)):
            _take(read, log.read(topic, partition, offset, limit))
    return read


def _places(first: int, num_held: int, num_wanted: int) -> list[tuple[int, int]]:
    """(offset, number of records): everything, or the same number at places that lie evenly, the first and the last among them."""
    if num_wanted >= num_held:
        return [(first + done, min(1000, num_held - done)) for done in range(0, num_held, 1000)]
    size = max(1, num_wanted // NUM_PLACES)
    num_places = max(1, num_wanted // size)
    step = (num_held - size) / max(1, num_places - 1)
    return [(first + round(place * step), size) for place in range(num_places)]


def _take(read: _Read, records: Sequence[StoredRecord]) -> None:
    read.num_records += len(records)
    for record in records:
        try:
            example = Example.from_bytes(record.value)
        except CorruptRecord:
            continue
        if example.origin in (Origin.IMPRESSION, Origin.ACTION):
            read.examples.append(example)


def _catalogue(kind: type[Entity], project: Project, with_properties: bool) -> CatalogueSample:
    rows = kind._default_manager.filter(project=project)
    num = rows.order_by()[: COUNTED_EXACTLY + 1].count()
    is_exact = num <= COUNTED_EXACTLY
    if not is_exact:
        num = max(num, _planned(rows.order_by()))
    properties = (
        list(rows.order_by("pk").values_list("properties", flat=True)[:MOST_ENTITIES]) if with_properties else []
    )
    return CatalogueSample(num, is_exact, properties)


def _planned(rows: QuerySet[Entity]) -> int:
    """How many rows PostgreSQL expects: counting millions would take longer than a page may."""
    (plan,) = json.loads(rows.explain(format="json"))
    return int(plan["Plan"]["Plan Rows"])


def _known(kind: type[Entity], project: Project, ids: set[str]) -> float:
    if not ids:
        return 0.0
    return kind._default_manager.filter(project=project, external_id__in=ids).count() / len(ids)
