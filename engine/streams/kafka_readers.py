"""Reads from Kafka by topic, partition and offset: consumers without a group, lent to one read at a time."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError, OffsetOutOfRangeError

from engine.errors import LogError, LogUnavailable, OffsetOutOfRange
from engine.streams.kafka_admin import keep_for_parent
from engine.streams.kafka_failures import translated
from engine.streams.kafka_producers import TIMESTAMP_HEADER
from engine.streams.kafka_settings import MIB, KafkaSettings
from engine.streams.log import StoredRecord

MAX_IDLE_READERS = 128  # a replica of many projects reads a few partitions of each, over and over
FETCH_BYTES = 2 * MIB  # of one partition at once; a single larger batch comes whole
FETCH_RECORDS = 20_000  # taken out of the consumer at once; what is not asked for yet is kept
FETCH_WAIT_MS = 100  # how long the broker holds a fetch that finds nothing; a seek waits for it
POLL_MS = 100
BEYOND_END_S = 0.05

_HAS_FAST_CRC = importlib.util.find_spec("crc32c") is not None
"""Without the compiled crc32c, kafka-python checks sums in Python, slower than everything else in a read together."""


class KafkaReaders:
    """Consumers by topic and partition, each positioned where its last read ended. Safe to share between threads."""

    def __init__(
        self,
        settings: KafkaSettings,
        bounds: Callable[[TopicPartition, OffsetSpec], int],
        *,
        sleep: Callable[[float], None],
        monotonic: Callable[[], float],
    ) -> None:
        """`bounds` answers a partition's EARLIEST or LATEST offset, over a connection on which no fetch is waiting."""
        self._settings = settings
        self._bounds = bounds
        self._sleep = sleep
        self._monotonic = monotonic
        self._is_closed = False
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, _Reader] = OrderedDict()
        self._trims: dict[TopicPartition, int] = {}

    def read(self, place: TopicPartition, offset: int, max_records: int, timeout_s: float) -> list[StoredRecord]:
        """Raises `OffsetOutOfRange`, `UnknownTopic`, `LogUnavailable`, `LogError`."""
        doing = f"reading {place.topic}/{place.partition} from {offset}"
        with translated(doing, topic=place.topic), self._lent(place) as reader:
            return reader.read(offset, max_records, timeout_s)

    def forget(self, place: TopicPartition) -> None:
        """Drop what was fetched of a partition: it was trimmed."""
        with self._lock:
            self._trims[place] = self._trims.get(place, 0) + 1
            stale = [key for key, reader in self._idle.items() if reader.place == place]
            dropped = [self._idle.pop(key) for key in stale]
        for reader in dropped:
            reader.close()

    def close(self) -> None:
        self._is_closed = True
        if self._pid == os.getpid():
            with self._lock:
                idle, self._idle = self._idle, OrderedDict()
            for reader in idle.values():
                reader.close()

    @contextmanager
    def _lent(self, place: TopicPartition) -> Iterator[_Reader]:
        if self._pid != os.getpid():
            keep_for_parent(self._idle)
            self._reset()
        if self._is_closed:
            raise LogError("the event log is closed")
        reader, num_trims = self._taken(place)
        try:
            yield reader
        except OffsetOutOfRange:
            self._give_back(reader, num_trims)
            raise
        except BaseException:
            reader.close()
            raise
        self._give_back(reader, num_trims)

    def _taken(self, place: TopicPartition) -> tuple[_Reader, int]:
        with self._lock:
            num_trims = self._trims.get(place, 0)
            for key, reader in self._idle.items():
                if reader.place == place:
                    return self._idle.pop(key), num_trims
        return _Reader(self._settings, place, self._bounds, self._sleep, self._monotonic), num_trims

    def _give_back(self, reader: _Reader, num_trims: int) -> None:
        """Keep it, the least recently used going first; not one that fetched before a trim."""
        with self._lock:
            dropped = [reader]
            if not self._is_closed and self._trims.get(reader.place, 0) == num_trims:
                self._idle[id(reader)] = reader
                surplus = max(0, len(self._idle) - MAX_IDLE_READERS)
                dropped = [self._idle.popitem(last=False)[1] for _ in range(surplus)]
        for one in dropped:
            one.close()


class _Reader:
    """One consumer of one partition."""

    def __init__(
        self,
        settings: KafkaSettings,
        place: TopicPartition,
        bounds: Callable[[TopicPartition, OffsetSpec], int],
        sleep: Callable[[float], None],
        monotonic: Callable[[], float],
    ) -> None:
        self.place = place
        self._bounds = bounds
        self._timeout_ms = settings.request_timeout_ms
        self._sleep = sleep
        self._monotonic = monotonic
        self._next = -1  # where the consumer goes on, when nothing is held back
        self._held: list[StoredRecord] = []
        self._consumer = KafkaConsumer(
            **settings.connection(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            # what another's transaction did not commit is not in the log
            isolation_level="read_committed",
            max_poll_records=FETCH_RECORDS,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            check_crcs=_HAS_FAST_CRC,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )
        self._consumer.assign([place])

    def close(self) -> None:
        try:
            self._consumer.close(autocommit=False, timeout_ms=0)
        except KafkaError:
            return  # nothing of ours is left in it

    def read(self, offset: int, max_records: int, timeout_s: float) -> list[StoredRecord]:
        if offset < 0 or max_records <= 0:
            self._refuse_trimmed(offset)
            return []
        if not self._held or self._held[0].offset != offset:
            self._held = self._fetched(offset, timeout_s)
        records, self._held = self._held[:max_records], self._held[max_records:]
        return records

    def _fetched(self, offset: int, timeout_s: float) -> list[StoredRecord]:
        """What is there from `offset` on, as much as one fetch brings; waits up to `timeout_s` for the first."""
        deadline = self._monotonic() + timeout_s
        if self._held or offset != self._next:
            self._consumer.seek(self.place, offset)
            self._next = offset
        while True:
            left_s = deadline - self._monotonic()
            if left_s > 0 and (records := self._poll(offset, left_s)):
                return records
            end = self._bounds(self.place, OffsetSpec.LATEST)
            if offset < end:
                return self._poll_until(offset, end)
            left_s = deadline - self._monotonic()
            if left_s <= 0:
                return []
            if offset > end:
                self._sleep(min(BEYOND_END_S, left_s))

    def _poll_until(self, offset: int, end: int) -> list[StoredRecord]:
        """What is known to be there; [] when no record lies between `offset` and `end`, only marks of transactions."""
        deadline = self._monotonic() + self._timeout_ms / 1000
        while self._monotonic() < deadline:
            if records := self._poll(offset, POLL_MS / 1000):
                return records
            if self._consumer.position(self.place, timeout_ms=self._timeout_ms) >= end:
                return []
        raise LogUnavailable(
            f"Kafka did not send {self.place.topic}/{self.place.partition} from {offset} in time",
            topic=self.place.topic,
        )

    def _poll(self, offset: int, timeout_s: float) -> list[StoredRecord]:
        try:
            polled = self._consumer.poll(timeout_ms=int(timeout_s * 1000))
        except OffsetOutOfRangeError:
            self._refuse_trimmed(offset)
            self._consumer.seek(self.place, offset)  # beyond the end: it may be there next time
            return []
        records = [_stored(record) for record in polled.get(self.place, ())]
        if records:
            self._next = records[-1].offset + 1
        return records

    def _refuse_trimmed(self, offset: int) -> None:
        earliest = self._bounds(self.place, OffsetSpec.EARLIEST)
        if offset < earliest:
            self._next = -1
            raise OffsetOutOfRange(
                f"{self.place.topic}/{self.place.partition}: offset {offset} is no longer held; "
                f"the earliest is {earliest}",
                earliest=earliest,
            )


def _stored(record: Any) -> StoredRecord:
    """Records of other producers may lack a key or a value, or have a key that is not text."""
    timestamp_ms = record.timestamp
    if record.headers:
        timestamp_ms = _timestamp_of(record.headers, timestamp_ms)
    key = record.key.decode("utf-8", "replace") if record.key else ""
    return StoredRecord(record.partition, record.offset, key, record.value or b"", timestamp_ms)


def _timestamp_of(headers: Any, otherwise: int) -> int:
    for name, value in headers:
        if name == TIMESTAMP_HEADER and value[1:].isdigit():
            return int(value)
    return otherwise
