"""The event log in this process's memory: a real backend for one process, gone when it ends."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.errors import LogError, OffsetOutOfRange, UnknownTopic
from engine.streams.fencing import outdated
from engine.streams.log import Position, Record, StoredRecord
from engine.streams.partitioning import by_partition


@dataclass(slots=True)
class _Partition:
    earliest: int = 0
    records: list[StoredRecord] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.earliest + len(self.records)


class MemoryLog:
    """Implements `engine.streams.log.EventLog` and `FencingLog`. One lock guards everything; a waiting reader wakes on each append."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._topics: dict[str, list[_Partition]] = {}
        self._committed: dict[tuple[str, str], dict[int, int]] = {}
        self._epochs: dict[str, int] = {}

    def create_topic(self, topic: str, num_partitions: int = 1) -> None:
        if num_partitions < 1:
            raise LogError(f"topic {topic!r} needs at least one partition", received=num_partitions)
        with self._changed:
            self._topics.setdefault(topic, [_Partition() for _ in range(num_partitions)])

    def partitions(self, topic: str) -> list[int]:
        with self._changed:
            return list(range(len(self._topic(topic))))

    def append(self, topic: str, records: Sequence[Record]) -> list[Position]:
        with self._changed:
            partitions = self._topic(topic)
            positions: list[Position] = [Position(0, 0)] * len(records)
            for number, rows in by_partition(records, len(partitions)).items():
                partition = partitions[number]
                for row in rows:
                    record, offset = records[row], partition.end
                    partition.records.append(
                        StoredRecord(number, offset, record.key, record.value, record.timestamp_ms)
                    )
                    positions[row] = Position(number, offset)
            self._changed.notify_all()
            return positions

    def raise_epoch(self, topic: str, epoch: int) -> None:
        with self._changed:
            self._topic(topic)
            self._refuse_older(topic, epoch)
            self._epochs[topic] = epoch

    def append_in_epoch(self, topic: str, records: Sequence[Record], epoch: int) -> list[Position]:
        # The condition's lock is reentrant: nobody raises the epoch between the look and the append.
        with self._changed:
            self._refuse_older(topic, epoch)
            return self.append(topic, records)

    def _refuse_older(self, topic: str, epoch: int) -> None:
        newer = self._epochs.get(topic, 0)
        if newer > epoch:
            raise outdated(topic, epoch, newer)

    def read(
        self, topic: str, partition: int, offset: int, max_records: int = 1000, timeout_s: float = 0.0
    ) -> list[StoredRecord]:
        with self._changed:
            if timeout_s > 0:
                self._changed.wait_for(lambda: offset < self._partition(topic, partition).end, timeout_s)
            held = self._partition(topic, partition)
            if offset < held.earliest:
                raise OffsetOutOfRange(
                    f"{topic}/{partition}: offset {offset} is no longer held; the earliest is {held.earliest}",
                    earliest=held.earliest,
                )
            start = offset - held.earliest
            return held.records[start : start + max(0, max_records)]

    def earliest_offsets(self, topic: str) -> dict[int, int]:
        with self._changed:
            return {number: held.earliest for number, held in enumerate(self._topic(topic))}

    def end_offsets(self, topic: str) -> dict[int, int]:
        with self._changed:
            return {number: held.end for number, held in enumerate(self._topic(topic))}

    def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:
        with self._changed:
            held = self._partition(topic, partition)
            return next((record.offset for record in held.records if record.timestamp_ms >= timestamp_ms), held.end)

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        with self._changed:
            for partition in offsets:
                self._partition(topic, partition)
            self._committed.setdefault((group, topic), {}).update(offsets)

    def committed(self, group: str, topic: str) -> dict[int, int]:
        with self._changed:
            self._topic(topic)
            return dict(self._committed.get((group, topic), {}))

    def trim(self, topic: str, partition: int, before_offset: int) -> None:
        with self._changed:
            held = self._partition(topic, partition)
            keep_from = min(max(before_offset, held.earliest), held.end)
            del held.records[: keep_from - held.earliest]
            held.earliest = keep_from

    def close(self) -> None:
        """Nothing to release; the records stay readable."""

    def _topic(self, topic: str) -> list[_Partition]:
        try:
            return self._topics[topic]
        except KeyError:
            raise UnknownTopic(f"topic {topic!r} does not exist", topic=topic) from None

    def _partition(self, topic: str, partition: int) -> _Partition:
        partitions = self._topic(topic)
        if not 0 <= partition < len(partitions):
            raise UnknownTopic(
                f"topic {topic!r} has no partition {partition}; it has {len(partitions)}",
                topic=topic,
                partition=partition,
            )
        return partitions[partition]
