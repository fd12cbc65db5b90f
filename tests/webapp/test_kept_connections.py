"""PostgreSQL connections that go from one request to the next in the web process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection, connections
from django.test import AsyncClient

from webapp.accounts.models import Project
from webapp.accounts.services import api_key_create
from webapp.core.kept_connections.base import DatabaseWrapper, keep_connections
from webapp.core.kept_connections.idle import IdleConnections


@pytest.fixture
def keeping() -> Iterator[None]:
    keep_connections()
    yield
    keep_connections(False)


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def backend_of_a_request() -> int:
    try:
        return backend()
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_it_goes_on_with_the_connection_of_an_earlier_request(project: Project, keeping: None) -> None:
    _, secret = api_key_create(project=project, name="k", scopes=["recommend"])

    async def ask() -> Any:
        answer = await AsyncClient().get("/api/v1/items", headers={"x-api-key": secret})
        assert answer.status_code == 200
        return await sync_to_async(backend_of_a_request)()

    seen = {asyncio.run(ask()) for _ in range(3)}
    assert len(seen) == 1


@pytest.mark.django_db(transaction=True)
def test_it_keeps_nothing_until_it_is_told_to(project: Project) -> None:
    first = backend()
    connection.close()
    assert backend() != first


@pytest.mark.django_db(transaction=True)
def test_it_replaces_a_kept_connection_that_the_server_has_ended(project: Project, keeping: None) -> None:
    first = backend()
    connection.close()
    with psycopg.connect(_url(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (first,))
    assert backend() != first


@pytest.mark.django_db(transaction=True)
def test_it_keeps_no_connection_in_the_middle_of_a_transaction(project: Project, keeping: None) -> None:
    raw = connection.connection
    raw.execute("BEGIN")
    connection.close()
    assert raw.closed


@pytest.mark.django_db
def test_it_leaves_a_transaction_alone_at_the_end_of_a_request(keeping: None) -> None:
    first = backend()
    wrapper = connections["default"]
    assert isinstance(wrapper, DatabaseWrapper)
    wrapper.give_back()
    assert backend() == first


def test_it_keeps_a_bounded_number_and_none_beyond_its_age(project: Project) -> None:
    now = 0.0
    idle = IdleConnections(max_idle=1, clock=lambda: now)
    one, another = (psycopg.connect(_url(), autocommit=True) for _ in range(2))
    try:
        assert idle.keep("here", one, until_s=10.0)
        assert not idle.keep("here", another, until_s=10.0)
        assert idle.take("elsewhere") is None
        now = 9.0
        taken = idle.take("here")
        assert taken is not None
        assert taken == (one, 10.0)
        idle.keep("here", one, until_s=10.0)
        now = 10.0
        assert idle.take("here") is None
        assert one.closed
    finally:
        one.close()
        another.close()


def _url() -> str:
    return str(settings.LOG_URL)
