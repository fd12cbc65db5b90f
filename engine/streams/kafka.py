"""The event log in Apache Kafka: replicated and shared by machines. What differs from PostgreSQL is in `docs/kafka.md`.

One append is one record batch in each partition it writes to, up to `max.message.bytes`: all of a partition's records are
there or none, and nobody else's lie between them. An append over several partitions that fails may be in some of them;
its error says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from kafka.admin import OffsetSpec

from engine.errors import LogUnavailable, UnknownTopic
from engine.streams.kafka_admin import KafkaAdmin
from engine.streams.kafka_producers import KafkaProducers
from engine.streams.kafka_readers import KafkaReaders
from engine.streams.kafka_settings import KafkaSettings, quieten_client_logs
from engine.streams.kafka_topics import KafkaTopics
from engine.streams.log import Position, Record, StoredRecord

SCAN_RECORDS = 1000


class KafkaLog:
    """Implements `engine.streams.log.EventLog`. Nothing is connected before the first call.

    `sleep` and `monotonic` serve what waits for a broker or a record.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        quieten_client_logs()
        self._admin = KafkaAdmin(settings, sleep=sleep, monotonic=monotonic)
        self._topics = KafkaTopics(self._admin, settings)
        self._producers = KafkaProducers(settings)
        self._readers = KafkaReaders(settings, self._topics.bound, sleep=sleep, monotonic=monotonic)

    def create_topic(self, topic: str, num_partitions: int = 1) -> None:
        self._topics.create(topic, num_partitions)

    def partitions(self, topic: str) -> list[int]:
        return list(range(self._topics.facts(topic).num_partitions))

    def append(self, topic: str, records: Sequence[Record]) -> list[Position]:
        facts = self._topics.facts(topic)
        try:
            return self._producers.append(topic, self._topics.kafka_name(topic), facts, records)
        except (UnknownTopic, LogUnavailable):
            self._topics.forget(topic)  # a topic that was deleted looks like a broker that is away
            raise

    def read(
        self, topic: str, partition: int, offset: int, max_records: int = 1000, timeout_s: float = 0.0
    ) -> list[StoredRecord]:
        place = self._topics.place(topic, partition)
        try:
            return self._readers.read(place, offset, max_records, timeout_s)
        except (UnknownTopic, LogUnavailable):
            self._topics.forget(topic)
            raise

    def earliest_offsets(self, topic: str) -> dict[int, int]:
        return self._topics.offsets(topic, OffsetSpec.EARLIEST)

    def end_offsets(self, topic: str) -> dict[int, int]:
        return self._topics.offsets(topic, OffsetSpec.LATEST)

    def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:
        self._topics.place(topic, partition)
        if timestamp_ms > 0:
            found = self._topics.offsets(topic, timestamp_ms, partition)[partition]
            return found if found >= 0 else self.end_offsets(topic)[partition]
        # Times before 1970 are 0 in Kafka's own index.
        offset = self.earliest_offsets(topic)[partition]
        while records := self.read(topic, partition, offset, SCAN_RECORDS):
            for record in records:
                if record.timestamp_ms >= timestamp_ms:
                    return record.offset
            offset = records[-1].offset + 1
        return self.end_offsets(topic)[partition]

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        self._topics.commit(group, topic, offsets)

    def committed(self, group: str, topic: str) -> dict[int, int]:
        return self._topics.committed(group, topic)

    def trim(self, topic: str, partition: int, before_offset: int) -> None:
        self._topics.trim(topic, partition, before_offset)
        self._readers.forget(self._topics.place(topic, partition))

    def close(self) -> None:
        self._readers.close()
        self._producers.close()
        self._admin.close()
