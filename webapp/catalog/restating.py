"""The `catalog` topic kept short: what is true of every user and item said once more, so that all that was said before may go.

The newest record of a user or item says everything of it, so a topic that is much longer than the catalogue repeats itself, and each new
replica would read all of that. Kafka compacts the topic by itself; this does it over any log.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.db import transaction
from django.db.models.functions import Collate

from engine.errors import UnknownTopic
from engine.spec.event import CatalogChange
from engine.streams import topics
from engine.streams.log import EventLog
from webapp.accounts.models import Project
from webapp.catalog.entities import MODEL_OF, append_changes
from webapp.catalog.models import Item
from webapp.catalog.storage import Kind
from webapp.core.clock import wall_ms
from webapp.core.log import event_log

RESTATED_GROUP: Final = "catalog-restated"
"""The consumer group whose committed offsets say where the last restatement began: what is before may be trimmed."""

MIN_RECORDS: Final = 100_000
RECORDS_OF_AN_ENTITY: Final = 4
# Rows are locked meanwhile, so that a change of one of them waits and comes after.
BATCH: Final = 200


def catalog_restate(*, project: Project) -> int:
    """Say it all once more when the topic has several records for each user and item; answers how many were said. Raises `LogError`."""
    log, topic = event_log(), topics.catalog(project.slug)
    try:
        earliest, ends = log.earliest_offsets(topic), log.end_offsets(topic)
    except UnknownTopic:
        return 0
    num_held = sum(end - earliest[partition] for partition, end in ends.items())
    if num_held < MIN_RECORDS or num_held < RECORDS_OF_AN_ENTITY * _num_entities(project):
        return 0
    if _is_untrimmed(log, topic, earliest):
        return 0
    num_said = sum(_restate(project, kind) for kind in MODEL_OF)
    log.commit(RESTATED_GROUP, topic, ends)
    return num_said


def _is_untrimmed(log: EventLog, topic: str, earliest: dict[int, int]) -> bool:
    return any(offset > earliest[partition] for partition, offset in log.committed(RESTATED_GROUP, topic).items())


def _num_entities(project: Project) -> int:
    return sum(model._default_manager.filter(project=project).count() for model in MODEL_OF.values())


def _restate(project: Project, kind: Kind) -> int:
    num_said = 0
    for pks in _batches(project, kind):
        with transaction.atomic():
            # Locked in the order in which writers lock: two that lock in different orders would wait for each other.
            rows = MODEL_OF[kind]._default_manager.select_for_update().filter(pk__in=pks)
            now_ms = wall_ms()
            changes = [
                CatalogChange(
                    kind, row.external_id, row.properties, False, now_ms, isinstance(row, Item) and row.hidden
                )
                for row in rows.order_by(Collate("external_id", "C"))
            ]
            append_changes(project, changes)
        num_said += len(changes)
    return num_said


def _batches(project: Project, kind: Kind) -> Iterator[list[int]]:
    """Primary keys; rows that are made meanwhile say themselves what they are."""
    last = 0
    rows = MODEL_OF[kind]._default_manager.filter(project=project).order_by("pk")
    while pks := list(rows.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        yield pks
        last = pks[-1]
