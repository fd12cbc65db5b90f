"""The events of several partitions, in the order in which they were received."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping

from engine.streams.log import StoredRecord

Read = Callable[[dict[int, int], int, float], list[StoredRecord]]
"""Records of a partition from the offset on that a dictionary has for it, waiting so many seconds for the first."""


def merged(batches: Mapping[int, list[StoredRecord]]) -> list[StoredRecord]:
    """By the time of receipt; of two at the same time the one of the lower partition is first. A partition keeps its order."""
    return list(heapq.merge(*(batches[one] for one in sorted(batches)), key=_received_ms))


class PartitionMerge:
    """Reads partitions ahead and hands out what may be joined.

    A partition of which more is to be read holds the others back at the time to which it was read, so that a backlog of which one
    partition has ten times as much as another is still joined in the order in which it was received.
    """

    def __init__(self, read: Read, offsets: Mapping[int, int], max_records: int) -> None:
        """Begins at `offsets`. `read` answers at most `max_records`."""
        self._read = read
        self._next = dict(offsets)
        self._max_records = max_records
        self._ahead: dict[int, list[StoredRecord]] = {partition: [] for partition in offsets}

    def take(self, timeout_s: float = 0.0) -> dict[int, list[StoredRecord]]:
        """Records by partition, none of an empty one; waits up to `timeout_s` for the first."""
        self._read_ahead(0.0)
        if timeout_s > 0 and not any(self._ahead.values()):
            self._read_ahead(timeout_s / len(self._next))
        full = [records for records in self._ahead.values() if len(records) >= self._max_records]
        until_ms = min((_latest_ms(records) for records in full), default=None)
        taken = {}
        for partition, records in self._ahead.items():
            num_taken = len(records) if until_ms is None else _num_until(records, until_ms)
            if num_taken:
                taken[partition] = records[:num_taken]
                self._ahead[partition] = records[num_taken:]
        return taken

    def _read_ahead(self, timeout_s: float) -> None:
        for partition, records in self._ahead.items():
            if len(records) < self._max_records:
                records.extend(self._read(self._next, partition, timeout_s))
                if records:
                    self._next[partition] = records[-1].offset + 1


def _num_until(records: list[StoredRecord], until_ms: int) -> int:
    """How many come before the first that was received later."""
    for place, record in enumerate(records):
        if record.timestamp_ms > until_ms:
            return place
    return len(records)


def _latest_ms(records: Iterable[StoredRecord]) -> int:
    return max(record.timestamp_ms for record in records)


def _received_ms(record: StoredRecord) -> int:
    return record.timestamp_ms
