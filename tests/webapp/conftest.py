"""The control plane over the session's PostgreSQL and Redis, with an event log in the test database itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from engine.streams.log import EventLog
from tests.webapp.client import Api
from webapp.accounts.models import Project, Scope
from webapp.accounts.services import api_key_create, project_create
from webapp.core.log import close_event_logs, event_log
from webapp.core.remembered import forget_everything


@pytest.fixture
def _database_log(db: None, settings: Any) -> Iterator[None]:
    """The event log commits by itself, so it is emptied after each test instead of rolled back."""
    name = connection.settings_dict["NAME"]
    settings.LOG_URL = url = urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl()
    forget_everything()
    yield
    # through a connection of its own: the test's transaction may be broken, and is rolled back anyway
    with psycopg.connect(url, autocommit=True) as own:
        own.execute(
            "TRUNCATE freshet_log.topic, freshet_log.record, freshet_log.partition, freshet_log.committed CASCADE"
        )
    close_event_logs()
    forget_everything()


@pytest.fixture
def log(_database_log: None) -> EventLog:
    return event_log()


@pytest.fixture
def project(_database_log: None) -> Project:
    return project_create(slug="shop", name="Shop")


@pytest.fixture
def other_project(_database_log: None) -> Project:
    return project_create(slug="rival", name="Rival")


@pytest.fixture
def api_of() -> Callable[..., Api]:
    """An `Api` with a new key of the project; all scopes unless told."""

    def make(project: Project, *scopes: Scope) -> Api:
        _, secret = api_key_create(project=project, name="test", scopes=scopes or list(Scope))
        return Api(secret)

    return make


@pytest.fixture
def api(project: Project, api_of: Callable[..., Api]) -> Api:
    return api_of(project)


@pytest.fixture
def nobody(_database_log: None) -> Api:
    return Api(None)
