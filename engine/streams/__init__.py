"""The event log: one protocol, with partitions and offsets as in Kafka, over memory, PostgreSQL and Kafka."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from engine.errors import LogError
from engine.streams.log import EventLog


def open_log(url: str) -> EventLog:
    """`memory://` is a new log in this process; `postgresql://…` (or `postgres://…`) is shared and durable.

    `kafka://host:port,host:port` is Kafka; how to sign in there and how to make topics is in the environment (KAFKA_*), so that
    no secret is in a URL. Raises `LogError` for another scheme, `InvalidDocument` for wrong KAFKA_* variables.
    """
    scheme = urlsplit(url).scheme
    if scheme == "memory":
        from engine.streams.memory import MemoryLog

        return MemoryLog()
    if scheme in ("postgresql", "postgres"):
        from engine.streams.postgres import PostgresLog

        return PostgresLog(url)
    if scheme == "kafka":
        from engine.streams.kafka import KafkaLog
        from engine.streams.kafka_settings import KafkaSettings

        return KafkaLog(KafkaSettings.from_environment(os.environ, urlsplit(url).netloc))
    raise LogError(
        f"an event log's URL starts with memory://, postgresql:// or kafka://, not with {scheme or 'nothing'}://"
    )
