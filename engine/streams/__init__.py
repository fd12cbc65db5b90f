"""The event log: one protocol, with partitions and offsets as in Kafka, over memory and PostgreSQL."""

from __future__ import annotations

from urllib.parse import urlsplit

from engine.errors import LogError
from engine.streams.log import EventLog


def open_log(url: str) -> EventLog:
    """`memory://` is a new log in this process; `postgresql://…` (or `postgres://…`) is shared and durable."""
    scheme = urlsplit(url).scheme
    if scheme == "memory":
        from engine.streams.memory import MemoryLog

        return MemoryLog()
    if scheme in ("postgresql", "postgres"):
        from engine.streams.postgres import PostgresLog

        return PostgresLog(url)
    raise LogError(f"an event log's URL starts with memory:// or postgresql://, not with {scheme or 'nothing'}://")
