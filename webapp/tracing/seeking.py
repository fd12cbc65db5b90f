"""A place in a log's partition by what its records say, in about log₂(records) reads of one record: no log is read through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from engine.errors import OffsetOutOfRange
from engine.streams.log import EventLog, StoredRecord

NEARBY: Final = 32
AT_ONCE: Final = 500

Judge = Callable[[StoredRecord], bool | None]
"""Whether a record lies behind what is looked for; None of one that does not tell."""


def first_behind(log: EventLog, topic: str, partition: int, bounds: range, is_behind: Judge) -> int:
    """The first offset within `bounds` whose record is behind, as the records nearby say; `bounds.stop` when none is.

    Records are taken to be in order; a few that are not move the answer by no more than themselves. Raises `UnknownTopic`, `LogError`.
    """
    low, high = bounds.start, bounds.stop
    while low < high:
        middle = (low + high) // 2
        try:
            told = _told(log.read(topic, partition, middle, 1), is_behind)
            if told is None:
                told = _told(log.read(topic, partition, middle, NEARBY), is_behind)
        except OffsetOutOfRange as error:  # trimmed meanwhile
            low = min(high, max(low + 1, int(error.extra["earliest"])))
            continue
        if told is None or told:
            high = middle
        else:
            low = middle + 1
    return low


def _told(records: Iterable[StoredRecord], is_behind: Judge) -> bool | None:
    """What the first record says that says anything."""
    return next((told for record in records if (told := is_behind(record)) is not None), None)


def backwards(log: EventLog, topic: str, partition: int, bounds: range, limit: int) -> Iterator[StoredRecord]:
    """At most `limit` records, the newest before `bounds.stop` first, `AT_ONCE` at a time."""
    stop = bounds.stop
    while stop > bounds.start and limit > 0:
        start = max(bounds.start, stop - min(AT_ONCE, limit))
        try:
            records = log.read(topic, partition, start, stop - start)
        except OffsetOutOfRange:
            return
        limit -= stop - start
        stop = start
        yield from reversed(records)


def forwards(log: EventLog, topic: str, partition: int, start: int, limit: int) -> Iterator[StoredRecord]:
    """At most `limit` records from `start` on, to the end of the partition."""
    while limit > 0:
        try:
            records = log.read(topic, partition, start, min(AT_ONCE, limit))
        except OffsetOutOfRange as error:
            start = int(error.extra["earliest"])
            continue
        if not records:
            return
        yield from records
        limit -= len(records)
        start = records[-1].offset + 1


def bounds_of(log: EventLog, topic: str) -> dict[int, range]:
    """What is held of each partition. Raises `UnknownTopic`, `LogError`."""
    earliest = log.earliest_offsets(topic)
    return {partition: range(earliest.get(partition, 0), end) for partition, end in log.end_offsets(topic).items()}
