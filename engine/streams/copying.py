"""A topic copied from one log to another, offsets and all: what was written down elsewhere stays true.

A checkpoint of the joiner or a trainer, a snapshot's place in `params`, the events that parameters have learned from: all of them
are offsets. So what the source has trimmed is filled with empty records in the target, which are then trimmed there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from engine.errors import LogError
from engine.streams.log import EventLog, Position, Record, StoredRecord
from engine.streams.partitioning import partition_of

FILL_RECORDS = 10_000
COPY_RECORDS = 1_000
COPY_BYTES = 8 * 2**20


def copy_topic(
    source: EventLog,
    target: EventLog,
    topic: str,
    *,
    groups: Iterable[str] = (),
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Copy what is held, and what `groups` committed; answers the number of records. Nobody may write to either meanwhile.

    A copy that was broken off goes on where it stopped. Raises `UnknownTopic` (source), `LogError` when the target has other
    partitions or other records.
    """
    partitions = source.partitions(topic)
    target.create_topic(topic, len(partitions))
    if target.partitions(topic) != partitions:
        raise LogError(
            f"{topic!r} has {len(partitions)} partitions and its copy {len(target.partitions(topic))}: a key would change its "
            "partition. Delete the copy and make it with as many.",
            topic=topic,
        )
    num_copied = 0
    for partition in partitions:
        _fill(source, target, topic, partition)
        num_copied += _copy(source, target, topic, partition, on_progress)
    for group in groups:
        target.commit(group, topic, source.committed(group, topic))
    return num_copied


def _fill(source: EventLog, target: EventLog, topic: str, partition: int) -> None:
    """Bring the target's end to the first record that the source still has."""
    earliest = source.earliest_offsets(topic)[partition]
    end = target.end_offsets(topic)[partition]
    key = _key_of(partition, len(source.partitions(topic)))
    while end < earliest:
        count = min(FILL_RECORDS, earliest - end)
        _append(target, topic, end, partition, [Record(key, b"", 0)] * count)
        end += count
    if target.earliest_offsets(topic)[partition] < earliest:
        target.trim(topic, partition, earliest)


def _copy(source: EventLog, target: EventLog, topic: str, partition: int, on_progress: Callable[[int], None]) -> int:
    offset, num_copied = target.end_offsets(topic)[partition], 0
    end = source.end_offsets(topic)[partition]
    if offset > end:
        raise LogError(
            f"the copy of {topic}/{partition} goes to {offset}, beyond {end}: it is of another log", topic=topic
        )
    while offset < end:
        records = _bounded(source.read(topic, partition, offset, COPY_RECORDS))
        if not records or records[0].offset != offset:
            raise LogError(
                f"{topic}/{partition} has no record at {offset}; offsets with gaps cannot be kept", topic=topic
            )
        copies = [Record(record.key, record.value, record.timestamp_ms) for record in records]
        _append(target, topic, offset, partition, copies)
        offset += len(records)
        num_copied += len(records)
        on_progress(len(records))
    return num_copied


def _bounded(records: list[StoredRecord]) -> list[StoredRecord]:
    """As many from the start as fit in one append, and one at least."""
    sizes = itertools.accumulate(len(record.value) for record in records)
    return records[: max(1, sum(size <= COPY_BYTES for size in sizes))]


def _append(target: EventLog, topic: str, offset: int, partition: int, records: list[Record]) -> None:
    if target.append(topic, records)[0] != Position(partition, offset):
        raise LogError(f"somebody else writes to the copy of {topic}/{partition}", topic=topic)


def _key_of(partition: int, num_partitions: int) -> str:
    """A key that belongs to the partition."""
    return next(key for key in map(str, itertools.count()) if partition_of(key, num_partitions) == partition)
