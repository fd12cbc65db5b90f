"""Topics in Kafka: making them with the right settings, their offsets, what groups committed, trimming."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from kafka.structs import OffsetAndMetadata

from engine.errors import LogError, UnknownTopic
from engine.streams import topics
from engine.streams.kafka_admin import KafkaAdmin
from engine.streams.kafka_settings import MIB, KafkaSettings

FOR_EVER = 2**63 - 1
SEGMENT_BYTES = 128 * MIB
COMPACTION_LAG_MS = 86_400_000
READ_COMMITTED = "read_committed"


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What a producer needs to know of a topic; looked up once."""

    num_partitions: int
    max_message_bytes: int


def topic_settings(topic: str, settings: KafkaSettings) -> dict[str, str]:
    """The configuration that a topic of Freshet is made with.

    `params` is not compacted. Deltas are a numbered chain in which each needs the one before: compaction would keep the newest
    record of a key and drop its predecessors, and every replica would resync. They are trimmed (`delete_records`) below the
    second newest snapshot. `catalog` is compacted: each record is all there is to say of its user or item. A day's records are
    left alone, so that a joiner which replays from its checkpoint reads what it read before.

    Time limits are off. A record's timestamp is when the event happened; history of years ago that was loaded today would be
    deleted at once, and an event dated in the future refused or its segment kept for ever.
    """
    chosen = {
        "cleanup.policy": "compact,delete" if topics.is_catalog(topic) else "delete",
        "retention.ms": str(settings.retention_ms if topics.is_of_retention(topic) else -1),
        "retention.bytes": "-1",
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": str(FOR_EVER),
        "message.timestamp.after.max.ms": str(FOR_EVER),
        "max.message.bytes": str(settings.max_message_bytes),
        "compression.type": "producer",
        # whole segments go when they are trimmed; rolling by time would roll by event time
        "segment.bytes": str(SEGMENT_BYTES),
        "segment.ms": str(FOR_EVER),
    }
    if topics.is_catalog(topic):
        chosen["min.compaction.lag.ms"] = str(COMPACTION_LAG_MS)
    if settings.min_insync_replicas:
        chosen["min.insync.replicas"] = str(settings.min_insync_replicas)
    return chosen


class KafkaTopics:
    """Names given and answered are Freshet's; in Kafka they have the prefix of the settings. Safe to share between threads."""

    def __init__(self, admin: KafkaAdmin, settings: KafkaSettings) -> None:
        self._admin = admin
        self._settings = settings
        self._lock = threading.Lock()
        self._known: dict[str, TopicFacts] = {}

    def kafka_name(self, topic: str) -> str:
        return self._settings.topic_prefix + topic

    def place(self, topic: str, partition: int) -> TopicPartition:
        """Raises `UnknownTopic` when there is no such partition."""
        num_partitions = self.facts(topic).num_partitions
        if not 0 <= partition < num_partitions:
            raise UnknownTopic(
                f"topic {topic!r} has no partition {partition}; it has {num_partitions}",
                topic=topic,
                partition=partition,
            )
        return TopicPartition(self.kafka_name(topic), partition)

    def create(self, topic: str, num_partitions: int) -> None:
        """Make it with `num_partitions`, or more where the settings say so for its kind; an existing one stays as it is."""
        if num_partitions < 1:
            raise LogError(f"topic {topic!r} needs at least one partition", received=num_partitions)
        try:
            self.facts(topic)
            return
        except UnknownTopic:
            pass
        several = self._settings.num_partitions if topics.is_partitioned(topic) else 1
        asked = {
            "num_partitions": max(num_partitions, several),
            "replication_factor": self._settings.replication_factor,
            "configs": topic_settings(topic, self._settings),
        }
        name = self.kafka_name(topic)

        def work(client: Any) -> None:
            with suppress(TopicAlreadyExistsError):  # another process was faster, or our first try got through
                client.create_topics({name: asked})
            client.wait_for_topics([name], timeout_ms=self._settings.request_timeout_ms)

        self._admin.run(f"making topic {topic!r}", work, topic=topic)

    def facts(self, topic: str) -> TopicFacts:
        """Raises `UnknownTopic`."""
        known = self._known.get(topic)
        if known is not None:
            return known
        name = self.kafka_name(topic)
        described = self._admin.run(f"looking for topic {topic!r}", lambda client: client.describe_topics([name])[0])
        partitions = described["partitions"]
        if not partitions:
            error = for_code(described["error_code"])
            if error.__name__ not in ("UnknownTopicOrPartitionError", "InvalidTopicError"):
                raise LogError(f"topic {topic!r} cannot be used: {error.__name__}", topic=topic)
            raise UnknownTopic(f"topic {topic!r} does not exist", topic=topic)
        facts = TopicFacts(len(partitions), self._max_message_bytes(name))
        with self._lock:
            self._known[topic] = facts
        return facts

    def forget(self, topic: str) -> None:
        """Look the topic up again at its next use: it seems to have been deleted."""
        with self._lock:
            self._known.pop(topic, None)

    def offsets(self, topic: str, spec: OffsetSpec | int, partition: int | None = None) -> dict[int, int]:
        """For each partition (or one) what `spec` asks for: EARLIEST, LATEST, or the first at or after a time (-1: none)."""
        chosen = range(self.facts(topic).num_partitions) if partition is None else [partition]
        asked = {self.place(topic, number): spec for number in chosen}
        answered = self._admin.run(
            f"asking for offsets of {topic!r}",
            lambda client: client.list_partition_offsets(asked, isolation_level=READ_COMMITTED),
            topic=topic,
        )
        return {place.partition: int(found.offset) for place, found in sorted(answered.items())}

    def bound(self, place: TopicPartition, spec: OffsetSpec) -> int:
        """The EARLIEST or LATEST offset of one partition, by its name in Kafka."""
        answered = self._admin.run(
            f"asking for offsets of {place.topic}/{place.partition}",
            lambda client: client.list_partition_offsets({place: spec}, isolation_level=READ_COMMITTED),
        )
        return int(answered[place].offset)

    def trim(self, topic: str, partition: int, before_offset: int) -> None:
        place = self.place(topic, partition)
        before = min(before_offset, self.bound(place, OffsetSpec.LATEST))
        if before <= self.bound(place, OffsetSpec.EARLIEST):
            return
        self._admin.run(f"trimming {topic!r}", lambda client: client.delete_records({place: before}), topic=topic)

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        asked = {self.place(topic, number): OffsetAndMetadata(offset, "", -1) for number, offset in offsets.items()}
        if not asked:
            self.facts(topic)
            return

        def work(client: Any) -> None:
            for error in client.alter_group_offsets(self.group_id(group), asked).values():
                if error.errno:
                    raise error(f"committing for group {group!r}")

        self._admin.run(f"committing offsets of {topic!r} for group {group!r}", work, topic=topic)

    def committed(self, group: str, topic: str) -> dict[int, int]:
        asked = [self.place(topic, number) for number in range(self.facts(topic).num_partitions)]
        name = self.group_id(group)
        answered = self._admin.run(
            f"asking what group {group!r} committed of {topic!r}",
            lambda client: client.list_group_offsets({name: asked})[name],
            topic=topic,
        )
        return {place.partition: int(found.offset) for place, found in sorted(answered.items()) if found.offset >= 0}

    def group_id(self, group: str) -> str:
        """The consumer group's name in Kafka."""
        return self._settings.group_prefix + group

    def _max_message_bytes(self, name: str) -> int:
        """What the topic takes; an account that may not see its configuration is told by the broker when a record is too large."""
        resource = ConfigResource(ConfigResourceType.TOPIC, name, ["max.message.bytes"])
        try:
            found = self._admin.run(
                f"reading the settings of topic {name!r}",
                lambda client: client.describe_configs([resource], config_filter="all")["topic"][name],
            )
            return int(found["max.message.bytes"]["value"])
        except (LogError, KafkaError, KeyError):
            return self._settings.max_message_bytes
