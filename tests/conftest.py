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
from typing import Any
from urllib.parse import urlsplit

import django
import psycopg
import pytest
from hypothesis import HealthCheck, settings

from tests.session_servers import SessionServers, why_no_kafka

ROOMS_WITHOUT_SERVERS = {"bench", "engine", "engine_cc", "house"}
WHOLE_SYSTEMS = ("chaos", "e2e")

SERVERS = SessionServers(Path(tempfile.mkdtemp(prefix="freshet-test-")))
ADDRESSES = {
    "DATABASE_URL": SERVERS.database_url,
    "REDIS_URL": SERVERS.redis_url,
    "FRESHET_LOG_URL": SERVERS.database_url,
    "FRESHET_DATA_DIR": str(SERVERS.folder / "data"),
    "DJANGO_SETTINGS_MODULE": "webapp.settings",
}
os.environ.update(
    ADDRESSES,
    TF_CPP_MIN_LOG_LEVEL="3",
    CUDA_VISIBLE_DEVICES="-1",
    # Playwright keeps an event loop running in the test's thread, where Django's ORM would refuse to work
    DJANGO_ALLOW_ASYNC_UNSAFE="true",
)
django.setup()


# How long a machine takes says nothing about what is tested: beside other work an example may be drawn for seconds.
settings.register_profile("freshet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("freshet")

# also when pytest gives up before it is configured
atexit.register(SERVERS.stop)


LEFT_OUT = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kafka: needs a Kafka broker, which is started when Java and its jars are there")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Parallel processes have servers of their own each; what they inherit would be read before their own conftest says where those are."""
    for name in ADDRESSES:
        os.environ.pop(name, None)


# last, when -k and -m have chosen
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # the longest first, so that no process of a parallel run ends with one of them alone
    items.sort(key=lambda item: _room(item) not in WHOLE_SYSTEMS)
    needing = [item for item in items if item.get_closest_marker("kafka")]
    if not needing or config.option.collectonly or not (reason := why_no_kafka()):
        return
    if os.environ.get("CI", "").lower() == "true":
        pytest.exit(f"{len(needing)} tests need Kafka, which cannot be had: {reason}", returncode=1)
    items[:] = [item for item in items if not item.get_closest_marker("kafka")]
    config.hook.pytest_deselected(items=needing)
    config.stash[LEFT_OUT] = f"{len(needing)} tests that need Kafka were left out: {reason}"


def _room(item: pytest.Item) -> str:
    here = Path(__file__).parent
    return item.path.relative_to(here).parts[0] if item.path.is_relative_to(here) else ""


def pytest_sessionfinish(session: pytest.Session) -> None:
    told: dict[str, str] | None = getattr(session.config, "workeroutput", None)
    if told is not None and LEFT_OUT in session.config.stash:
        told["left_out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A parallel run's processes tell the one that reports."""
    if left_out := getattr(node, "workeroutput", {}).get("left_out"):
        node.config.stash[LEFT_OUT] = left_out


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if LEFT_OUT in config.stash:
        terminalreporter.write_line(config.stash[LEFT_OUT], yellow=True)


def pytest_unconfigure() -> None:
    SERVERS.stop()


def pytest_collection_finish(session: pytest.Session) -> None:
    rooms = {_room(item) for item in session.items} - {""}
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
