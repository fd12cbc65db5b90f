"""A log of each backend for the contract suite."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from engine.streams.log import EventLog
from engine.streams.memory import MemoryLog
from engine.streams.postgres import SCHEMA_SQL, PostgresLog


@pytest.fixture(scope="module")
def log_dsn(postgres_dsn: str) -> str:
    """The DSN of a database that holds the log's tables."""
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute(SCHEMA_SQL)
    return postgres_dsn


@pytest.fixture(params=["memory", "postgres"])
def log(request: pytest.FixtureRequest) -> Iterator[EventLog]:
    opened: EventLog = MemoryLog() if request.param == "memory" else PostgresLog(request.getfixturevalue("log_dsn"))
    yield opened
    opened.close()
