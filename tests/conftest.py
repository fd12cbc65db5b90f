"""One PostgreSQL and one Redis for the whole test session, made in a temporary folder and gone at its end.

Their addresses are fixed and Django is set up when this file is imported, before any other conftest or test imports a
model. (Were DJANGO_SETTINGS_MODULE in pyproject.toml, pytest-django would read the settings before the addresses are
known.) The servers start when a collected test can need them.
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

from tests.session_servers import SessionServers

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
