"""The event log's protocol. Every backend passes `tests/contracts/test_event_log.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """What is appended. The partition is chosen by a stable hash of `key`; records of one key keep their order."""

    key: str
    value: bytes
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """What is read back: a record and its place."""

    partition: int
    offset: int
    key: str
    value: bytes
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Position:
    partition: int
    offset: int


class EventLog(Protocol):
    """Topics of numbered partitions of records numbered from 0. Safe to call from several threads.

    What this class appends is numbered without gaps; other producers of a Kafka topic may leave some (transactions).
    """

    def create_topic(self, topic: str, num_partitions: int = 1) -> None:
        """Make the topic if it is absent; an existing topic keeps its partitions.

        A backend may be configured to give a project's long topics more partitions than asked for.
        """

    def partitions(self, topic: str) -> list[int]:
        """Partition numbers, ascending. Raises `UnknownTopic`."""

    def append(self, topic: str, records: Sequence[Record]) -> list[Position]:
        """Append all or none, durably; answers the place of each, in order.

        Records of one partition lie next to each other. Raises `UnknownTopic`, `LogError`, `LogUnavailable` (try again);
        `extra["outcome"]` is then "not appended", "unknown", or "partial": where partitions are on different machines
        (Kafka), all-or-none holds for each partition, and a failed append may be in some of them.
        """

    def read(
        self, topic: str, partition: int, offset: int, max_records: int = 1000, timeout_s: float = 0.0
    ) -> list[StoredRecord]:
        """Records from `offset` on, at most `max_records`; waits up to `timeout_s` for the first, then answers [].

        Never answers a record before one of lower offset is visible. Raises `UnknownTopic`, `OffsetOutOfRange`.
        """

    def earliest_offsets(self, topic: str) -> dict[int, int]:
        """For each partition the first offset still held."""

    def end_offsets(self, topic: str) -> dict[int, int]:
        """For each partition the offset the next record will get."""

    def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:
        """The first offset whose timestamp is at or after `timestamp_ms`, or the end offset."""

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Remember, for a consumer group, the next offset to read of each partition."""

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """What `commit` remembered; partitions never committed are absent."""

    def trim(self, topic: str, partition: int, before_offset: int) -> None:
        """Forget records below `before_offset`; offsets of the rest do not change."""

    def close(self) -> None:
        """Release connections. Calling it twice is harmless."""
