"""One PostgreSQL, one Redis and one Kafka for the whole test session, made in a temporary folder and gone at its end.

Their addresses are fixed and Django is set up when this file is imported, before any other conftest or test imports a
model. (Were DJANGO_SETTINGS_MODULE in pyproject.toml, pytest-django would read the settings before the addresses are
known.) The servers start when a collected test can need them.

Tests marked `kafka` need a broker. Where it cannot be had (no Java, no Maven, no jars) they are left out, and the last lines
say so; with CI=true that is a failure.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import django
import psycopg
import pytest

from tests.session_servers import SessionServers, why_no_kafka

ROOMS_WITHOUT_SERVERS = {"bench", "engine", "engine_cc", "house"}

SERVERS = SessionServers(Path(tempfile.mkdtemp(prefix="freshet-test-")))
os.environ.update(
    DATABASE_URL=SERVERS.database_url,
    REDIS_URL=SERVERS.redis_url,
    FRESHET_LOG_URL=SERVERS.database_url,
    FRESHET_DATA_DIR=str(SERVERS.folder / "data"),
    TF_CPP_MIN_LOG_LEVEL="3",
    CUDA_VISIBLE_DEVICES="-1",
    # Playwright keeps an event loop running in the test's thread, where Django's ORM would refuse to work
    DJANGO_ALLOW_ASYNC_UNSAFE="true",
    DJANGO_SETTINGS_MODULE="webapp.settings",
)
django.setup()


# also when pytest gives up before it is configured
atexit.register(SERVERS.stop)


LEFT_OUT = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kafka: needs a Kafka broker, which is started when Java and its jars are there")


# last, when -k and -m have chosen
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    needing = [item for item in items if item.get_closest_marker("kafka")]
    if not needing or config.option.collectonly or not (reason := why_no_kafka()):
        return
    if os.environ.get("CI", "").lower() == "true":
        pytest.exit(f"{len(needing)} tests need Kafka, which cannot be had: {reason}", returncode=1)
    items[:] = [item for item in items if not item.get_closest_marker("kafka")]
    config.hook.pytest_deselected(items=needing)
    config.stash[LEFT_OUT] = f"{len(needing)} tests that need Kafka were left out: {reason}"


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if LEFT_OUT in config.stash:
        terminalreporter.write_line(config.stash[LEFT_OUT], yellow=True)


def pytest_unconfigure() -> None:
    SERVERS.stop()


def pytest_collection_finish(session: pytest.Session) -> None:
    here = Path(__file__).parent
    rooms = {item.path.relative_to(here).parts[0] for item in session.items if item.path.is_relative_to(here)}
    if rooms - ROOMS_WITHOUT_SERVERS and not session.config.option.collectonly:
        SERVERS.start()


@pytest.fixture(scope="session")
def servers() -> SessionServers:
    """The session's running servers."""
    SERVERS.start()
    return SERVERS


@pytest.fixture(scope="session")
def kafka_servers(servers: SessionServers) -> str:
    """The address of the session's broker. A test that uses it is marked `kafka`."""
    return servers.start_kafka()


@pytest.fixture(scope="session")
def django_db_setup(servers: SessionServers, django_db_setup: None) -> None:
    """The servers first, then pytest-django's own test database."""


@pytest.fixture(scope="module")
def postgres_dsn(servers: SessionServers) -> Iterator[str]:
    """A new, empty database for the module; dropped after it, whoever is still connected."""
    name = f"module_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield urlsplit(servers.database_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
