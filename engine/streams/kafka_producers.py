"""Appends to Kafka: each by a producer of its own, so that one append is one record batch in each partition it writes to.

The producer is idempotent with acks=all: a retry after a lost answer or a broken connection is recognised by the broker.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from engine.errors import LogError, LogUnavailable, UnknownTopic
from engine.streams.kafka_admin import keep_for_parent
from engine.streams.kafka_failures import as_log_error, translated
from engine.streams.kafka_settings import KafkaSettings
from engine.streams.kafka_topics import TopicFacts
from engine.streams.log import Position, Record
from engine.streams.partitioning import by_partition

logger = logging.getLogger(__name__)

MAX_PRODUCERS = 8
TIMESTAMP_HEADER = "freshet-timestamp-ms"
"""Holds a timestamp before 1970, which Kafka has no place for; Kafka's own is 0 then."""

BATCH_OVERHEAD_BYTES = 1024

_NOT_APPENDED = (
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.AuthorizationError,
    kafka_errors.InvalidTopicError,
    kafka_errors.InvalidTimestampError,
    kafka_errors.PolicyViolationError,
    kafka_errors.UnsupportedCompressionTypeError,
    kafka_errors.UnknownTopicOrPartitionError,
)
"""Answers of a broker that say that nothing was written."""


class KafkaProducers:
    """At most `MAX_PRODUCERS` appends at a time; a thread waits for its turn. Safe to share between threads and over a fork."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._is_closed = False
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(MAX_PRODUCERS)
        self._idle: dict[int, list[Any]] = {}

    def append(self, topic: str, name: str, facts: TopicFacts, records: Sequence[Record]) -> list[Position]:
        """Durable when it returns. Raises `LogError` (too large, refused), `LogUnavailable`, `UnknownTopic`.

        `extra["outcome"]` of an error is "not appended", "unknown", or "partial" with `num_appended`.
        """
        rows = by_partition(records, facts.num_partitions)
        if not records:
            return []
        encoded = [record.key.encode() for record in records]
        _refuse_large(topic, facts, encoded, records)
        with self._lent(facts.max_message_bytes - BATCH_OVERHEAD_BYTES) as producer:
            futures: list[Any] = [None] * len(records)
            with translated(f"sending to {topic!r}", topic=topic, outcome="unknown"):
                for partition, numbers in rows.items():
                    for number in numbers:
                        futures[number] = _send(producer, name, partition, encoded[number], records[number])
                with suppress(kafka_errors.KafkaTimeoutError):  # the futures that are not done say so
                    producer.flush(2 * self._settings.delivery_timeout_ms / 1000)
            return _positions(topic, futures)

    def close(self) -> None:
        self._is_closed = True
        if self._pid == os.getpid():
            with self._lock:
                idle, self._idle = self._idle, {}
            for producer in [producer for several in idle.values() for producer in several]:
                _discard(producer)

    @contextmanager
    def _lent(self, batch_bytes: int) -> Iterator[Any]:
        """A producer for this append alone; after an error it is thrown away, since its numbering may have a hole."""
        if self._pid != os.getpid():
            keep_for_parent(self._idle)
            self._reset()
        if self._is_closed:
            raise LogError("the event log is closed", outcome="not appended")
        with self._free:
            producer = self._taken(batch_bytes)
            try:
                yield producer
            except BaseException:
                _discard(producer)
                raise
            with self._lock:
                if not self._is_closed:
                    self._idle.setdefault(batch_bytes, []).append(producer)
                    return
            _discard(producer)

    def _taken(self, batch_bytes: int) -> Any:
        with self._lock:
            idle = self._idle.get(batch_bytes)
            if idle:
                return idle.pop()
        with translated("opening a producer", outcome="not appended"):
            return KafkaProducer(
                **self._settings.connection(),
                acks="all",
                enable_idempotence=True,
                # a batch goes when the append that fills it says so; this is the longest that is allowed
                linger_ms=self._settings.delivery_timeout_ms - self._settings.request_timeout_ms,
                batch_size=batch_bytes,
                # below its own estimate of what a full batch needs, a producer would never send one
                max_request_size=batch_bytes + 2 * BATCH_OVERHEAD_BYTES,
                delivery_timeout_ms=self._settings.delivery_timeout_ms,
                max_block_ms=self._settings.request_timeout_ms,
                compression_type=None if self._settings.compression == "none" else self._settings.compression,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )


def _refuse_large(topic: str, facts: TopicFacts, keys: Sequence[bytes], records: Sequence[Record]) -> None:
    most = facts.max_message_bytes - BATCH_OVERHEAD_BYTES
    for key, record in zip(keys, records, strict=True):
        if len(key) + len(record.value) > most:
            raise LogError(
                f"a record of {len(record.value)} bytes is too large for topic {topic!r}: Kafka takes "
                f"{facts.max_message_bytes} there (max.message.bytes); nothing was appended",
                topic=topic,
                received_bytes=len(record.value),
                max_message_bytes=facts.max_message_bytes,
                outcome="not appended",
            )


def _send(producer: Any, name: str, partition: int, key: bytes, record: Record) -> Any:
    before_1970 = record.timestamp_ms < 0
    return producer.send(
        name,
        value=record.value,
        key=key,
        headers=[(TIMESTAMP_HEADER, str(record.timestamp_ms).encode())] if before_1970 else None,
        partition=partition,
        timestamp_ms=0 if before_1970 else record.timestamp_ms,
    )


def _positions(topic: str, futures: Sequence[Any]) -> list[Position]:
    """Every place, or an error that says what became of the records."""
    if all(future.succeeded() for future in futures):
        return [Position(future.value.partition, future.value.offset) for future in futures]
    failed = [future for future in futures if not future.succeeded()]
    num_appended = len(futures) - len(failed)
    causes = [future.exception for future in failed if future.failed()]
    if any(isinstance(cause, kafka_errors.UnknownTopicOrPartitionError) for cause in causes) and not num_appended:
        raise UnknownTopic(f"topic {topic!r} does not exist", topic=topic)
    is_certain = len(causes) == len(failed) and all(isinstance(cause, _NOT_APPENDED) for cause in causes)
    outcome = "partial" if num_appended else "not appended" if is_certain else "unknown"
    what_is_known = {
        "partial": f"{num_appended} of {len(futures)} records are in the log, the others may be",
        "not appended": "none of them is in the log",
        "unknown": "they may or may not be in the log",
    }[outcome]
    doing = f"appending {len(futures)} records to {topic!r}; {what_is_known}"
    extra = {"topic": topic, "outcome": outcome, "num_appended": num_appended}
    if not causes:
        raise LogUnavailable(f"Kafka did not answer in time while {doing}", **extra)
    raise as_log_error(causes[0], doing, **extra) from causes[0]


def _discard(producer: Any) -> None:
    """Close it without waiting for what it could not send."""
    try:
        producer.close(timeout=0)
    except kafka_errors.KafkaError as error:
        logger.warning("a Kafka producer did not close: %s", error)
