"""One PostgreSQL and one Redis for the whole test session, made in a temporary folder and gone at its end.

TEST_DATABASE_URL and TEST_REDIS_URL name servers that are there already; then none is started. Addresses are fixed
before Django reads its settings; the servers start when the first collected test can need them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from deploy.launcher.postgres import Postgres
from deploy.launcher.redis import Redis

NEED_NO_SERVER = ("engine", "engine_cc", "house", "bench")


class Servers:
    """The session's servers: none is started before `start`, which may be called again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._postgres: Postgres | None = None
        self._redis: Redis | None = None
        self._is_started = False
        self.database_url = os.environ.get("TEST_DATABASE_URL", "")
        self.redis_url = os.environ.get("TEST_REDIS_URL", "")
        if not self.database_url:
            self._postgres = Postgres(folder / "postgres", log=folder / "postgres.log", durable=False)
            self.database_url = self._postgres.url
        if not self.redis_url:
            self._redis = Redis(folder / "redis", log=folder / "redis.log", durable=False)
            self.redis_url = self._redis.url

    def start(self) -> None:
        if self._is_started:
            return
        self._is_started = True
        for server in (self._postgres, self._redis):
            if server is not None:
                server.start()

    def stop(self) -> None:
        for server in (self._redis, self._postgres):
            if server is not None:
                server.stop()


SERVERS = pytest.StashKey[Servers]()


def pytest_configure(config: pytest.Config) -> None:
    folder = Path(tempfile.mkdtemp(prefix="freshet-test-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    servers = Servers(folder)
    config.add_cleanup(servers.stop)
    config.stash[SERVERS] = servers
    os.environ.update(
        DATABASE_URL=servers.database_url,
        REDIS_URL=servers.redis_url,
        FRESHET_LOG_URL=servers.database_url,
        FRESHET_DATA_DIR=str(folder / "data"),
        TF_CPP_MIN_LOG_LEVEL="3",
        CUDA_VISIBLE_DEVICES="-1",
        # Playwright keeps an event loop running in the test's thread, where Django's ORM would refuse to work
        DJANGO_ALLOW_ASYNC_UNSAFE="true",
        # here and not in pyproject.toml: pytest-django would read the settings before the lines above
        DJANGO_SETTINGS_MODULE="webapp.settings",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    here = Path(__file__).parent
    rooms = {item.path.relative_to(here).parts[0] for item in session.items if item.path.is_relative_to(here)}
    if rooms - set(NEED_NO_SERVER) and not session.config.option.collectonly:
        session.config.stash[SERVERS].start()


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """The session's running servers."""
    started = request.config.stash[SERVERS]
    started.start()
    return started


@pytest.fixture(scope="module")
def postgres_dsn(servers: Servers) -> Iterator[str]:
    """A new, empty database for the module; dropped after it, whoever is still connected."""
    name = f"module_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield urlsplit(servers.database_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
