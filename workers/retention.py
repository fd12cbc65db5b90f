"""What may be forgotten, and when.

Event ids: `FRESHET_EVENT_ID_DAYS` (7) after acceptance; a repeat that comes later is accepted again.
Events and examples: `FRESHET_LOG_DAYS` (30; 0 keeps them) after their receipt, so that a new model has that much to learn
from. Never what the joiner, or a wanted run, would read again after falling back to the oldest checkpoint it keeps.
Parameters: below the second newest snapshot, because a replica starts from the newest one that is whole.
Buried events: all but the newest `DEAD_KEPT`.
The catalogue: what was said an hour before all of it was said once more, and that the joiner would not read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.db import connection

from engine.checkpoint.manifest import read_manifest
from engine.errors import CorruptRecord, UnknownTopic
from engine.spec.example import Example
from engine.spec.intake import received_ms_of
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord
from webapp import environment
from webapp.accounts.models import Project
from webapp.catalog.restating import RESTATED_GROUP, catalog_restate
from webapp.core.log import event_log
from webapp.registry.models import ModelVersion
from webapp.training.models import Run, Search
from workers.folders import joiner_folder, model_folder
from workers.trimming import first_received_after

IDS_PER_DELETE = 20_000
SNAPSHOTS_KEPT = 2
DEAD_KEPT = 10_000
# A replica that stood still for less misses no deletion.
RESTATED_KEPT_MS = 3_600_000

_FORGET_IDS = """
WITH oldest AS MATERIALIZED (SELECT id, accepted_at FROM catalog_acceptedevent ORDER BY id LIMIT %s)
DELETE FROM catalog_acceptedevent
WHERE id IN (SELECT id FROM oldest WHERE accepted_at < now() - make_interval(days => %s))
"""


def forget_event_ids() -> int:
    """Delete old event ids in bites, each its own transaction; answers how many.

    Ids rise with acceptance, so a bite in which something was young is the last: the whole table is never read.
    """
    days = environment.integer("FRESHET_EVENT_ID_DAYS", 7)
    num_deleted: int = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_FORGET_IDS, [IDS_PER_DELETE, days])
            num_deleted += cursor.rowcount
            if cursor.rowcount < IDS_PER_DELETE:
                return num_deleted


def trim_project(project: Project, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> int:
    """Trim the project's topics; answers how many records went."""
    log = event_log()
    num_trimmed = sum(_trim_params(log, version) for version in _versions(project))
    num_trimmed += _trim_dead(log, topics.events_dead(project.slug))
    num_trimmed += _trim_restated(log, project, now_ms() - RESTATED_KEPT_MS)
    catalog_restate(project=project)
    days = environment.integer("FRESHET_LOG_DAYS", 30)
    if days > 0:
        cutoff_ms = now_ms() - days * 86_400_000
        num_trimmed += _trim_old(log, topics.events(project.slug), cutoff_ms, _event_received_ms, _joined(project))
        num_trimmed += _trim_old(log, topics.examples(project.slug), cutoff_ms, _example_received_ms, _trained(project))
    return num_trimmed


def _versions(project: Project) -> Iterable[ModelVersion]:
    return ModelVersion.objects.filter(model__project=project).select_related("model__project")


def _trim_params(log: EventLog, version: ModelVersion) -> int:
    kept = _params_offset_kept(model_folder(version) / "snapshots")
    if not kept:
        return 0
    return _trim(log, topics.params(version.model.project.slug, version.model.name, version.version), 0, kept)


def _params_offset_kept(snapshots: Path) -> int:
    """The second newest snapshot's place in `params`; 0 while there are fewer than two."""
    offsets: list[int] = []
    for folder in sorted(snapshots.iterdir() if snapshots.is_dir() else [], reverse=True):
        try:
            offsets.append(int(read_manifest(folder).meta["params_offset"]))
        except (CorruptRecord, KeyError):  # being written, or damaged: neither is a place to start from
            continue
        if len(offsets) == SNAPSHOTS_KEPT:
            return offsets[-1]
    return 0


def _joined(project: Project) -> dict[int, int]:
    return _least(_offsets(meta["events"]) for meta in _metas(joiner_folder(project)))


def _trained(project: Project) -> dict[int, int]:
    """The least that would be read again by any wanted run, or by the joiner, which looks for what it emitted since its checkpoint."""
    needed = [_least(_offsets(meta["examples_end"]) for meta in _metas(joiner_folder(project)))]
    if Search.objects.filter(project=project, wanted=True).exists():  # every trial begins at the earliest
        return {}
    wanted = Run.objects.filter(project=project, wanted=True, state__in=(Run.State.QUEUED, Run.State.RUNNING))
    for run in wanted.select_related("model_version__model__project"):
        if run.mode == Run.Mode.BATCH:  # begins at the earliest, and ends
            return {}
        checkpoints = _metas(model_folder(run.model_version) / "checkpoints")
        needed.append(_least(_offsets(meta["progress"]["examples"]) for meta in checkpoints))
    return _least(needed)


def _metas(checkpoints: Path) -> Iterator[dict[str, Any]]:
    """What is written in the manifest of each checkpoint kept."""
    for folder in checkpoints.iterdir() if checkpoints.is_dir() else ():
        try:
            yield read_manifest(folder).meta
        except CorruptRecord:  # being written, or damaged: nobody starts there
            continue


def _least(places: Iterable[dict[int, int]]) -> dict[int, int]:
    """The smallest offset of each partition that all of them name; {} of none, so that nothing is trimmed."""
    known = list(places)
    partitions = set.intersection(*(set(offsets) for offsets in known)) if known else set()
    return {partition: min(offsets[partition] for offsets in known) for partition in partitions}


def _offsets(stored: dict[str, int]) -> dict[int, int]:
    return {int(partition): int(offset) for partition, offset in stored.items()}


def _event_received_ms(record: StoredRecord) -> int:
    return received_ms_of(record.value, record.timestamp_ms)


def _example_received_ms(record: StoredRecord) -> int:
    return Example.from_bytes(record.value).cause.received_ms


def _trim_old(
    log: EventLog, topic: str, cutoff_ms: int, received_ms: Callable[[StoredRecord], int], read: dict[int, int]
) -> int:
    num_trimmed = 0
    for partition, consumed in read.items():
        try:
            before = first_received_after(log, topic, partition, cutoff_ms, received_ms)
        except UnknownTopic:
            return num_trimmed
        num_trimmed += _trim(log, topic, partition, min(before, consumed))
    return num_trimmed


def _trim_restated(log: EventLog, project: Project, said_before_ms: int) -> int:
    topic, num_trimmed = topics.catalog(project.slug), 0
    read = _least(_offsets(meta["catalog"]) for meta in _metas(joiner_folder(project)))
    for partition, restated in log.committed(RESTATED_GROUP, topic).items():
        first = log.read(topic, partition, restated, 1)
        if first and first[0].timestamp_ms <= said_before_ms:
            num_trimmed += _trim(log, topic, partition, min(restated, read.get(partition, 0)))
    return num_trimmed


def _trim_dead(log: EventLog, topic: str) -> int:
    try:
        ends = log.end_offsets(topic)
    except UnknownTopic:
        return 0
    return sum(_trim(log, topic, partition, end - DEAD_KEPT) for partition, end in ends.items())


def _trim(log: EventLog, topic: str, partition: int, before_offset: int) -> int:
    """Trim, but leave the last record: from it the next publisher learns its sequence."""
    try:
        earliest = log.earliest_offsets(topic).get(partition, before_offset)
        before_offset = min(before_offset, log.end_offsets(topic).get(partition, 0) - 1)
        if before_offset <= earliest:
            return 0
        log.trim(topic, partition, before_offset)
    except UnknownTopic:
        return 0
    return before_offset - earliest
