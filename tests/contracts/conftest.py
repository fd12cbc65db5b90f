"""A log of each backend for the contract suite."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from engine.streams.kafka import KafkaLog
from engine.streams.kafka_settings import KafkaSettings
from engine.streams.log import EventLog
from engine.streams.memory import MemoryLog
from engine.streams.postgres import SCHEMA_SQL, PostgresLog


@pytest.fixture(scope="module")
def log_dsn(postgres_dsn: str) -> str:
    """The DSN of a database that holds the log's tables."""
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute(SCHEMA_SQL)
    return postgres_dsn


@pytest.fixture(params=["memory", "postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def log(request: pytest.FixtureRequest) -> Iterator[EventLog]:
    opened = _open(request.param, request)
    yield opened
    opened.close()


@pytest.fixture(params=["memory", "postgres"])
def one_machine_log(request: pytest.FixtureRequest) -> Iterator[EventLog]:
    """A log whose partitions are all in one place, so that an append over several is whole."""
    opened = _open(request.param, request)
    yield opened
    opened.close()


def _open(backend: str, request: pytest.FixtureRequest) -> EventLog:
    if backend == "memory":
        return MemoryLog()
    if backend == "postgres":
        return PostgresLog(request.getfixturevalue("log_dsn"))
    return KafkaLog(KafkaSettings((request.getfixturevalue("kafka_servers"),)))
