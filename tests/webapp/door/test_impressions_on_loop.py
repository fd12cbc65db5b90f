"""Impressions appended from the event loop, in the project's own log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
import pytest

from engine.streams import topics
from engine.streams.log import EventLog, Position, Record
from webapp.accounts.models import Project
from webapp.catalog.impressions import GroupAppender
from webapp.catalog.impressions_on_loop import LoopAppender
from webapp.core.log import append

pytestmark = pytest.mark.django_db(transaction=True)

Answer = TypeVar("Answer")
TIMEOUT_S = 20.0


def others() -> GroupAppender:
    return GroupAppender(lambda project, records: append(project, topics.events(project), records))


def record(key: object, num_bytes: int = 1) -> Record:
    return Record(f"user-{key}", b"x" * num_bytes, 1)


def run(appender: GroupAppender, work: Callable[[LoopAppender], Awaitable[Answer]], gather_s: float = 0.0) -> Answer:
    async def on_loop() -> Answer:
        on_loop = LoopAppender(appender, asyncio.get_running_loop(), gather_s=gather_s)
        try:
            return await asyncio.wait_for(work(on_loop), TIMEOUT_S)
        finally:
            await on_loop.close()

    return asyncio.run(on_loop())


async def until_open(on_loop: LoopAppender) -> None:
    """Append until it has a connection of its own: the first ones go by the thread."""
    while on_loop._appends is None or not on_loop._appends.is_open:
        assert await on_loop.appended("shop", record("first"), TIMEOUT_S) is not None
        await asyncio.sleep(0.01)


def test_it_appends_each_record_once_and_says_where(project: Project, log: EventLog) -> None:
    appender = others()

    async def work(on_loop: LoopAppender) -> list[Position | None]:
        await until_open(on_loop)
        return list(await asyncio.gather(*(on_loop.appended("shop", record(n), TIMEOUT_S) for n in range(600))))

    places = run(appender, work)
    written = {Position(one.partition, one.offset): one.key for one in log.read(topics.events("shop"), 0, 0, 10_000)}
    assert [None if one is None else written[one] for one in places] == [f"user-{n}" for n in range(600)]
    assert appender.num_appended == len(written)
    assert appender.num_lost == 0


def test_it_gathers_those_that_are_on_their_way(project: Project) -> None:
    appender = others()

    async def work(on_loop: LoopAppender) -> int:
        await until_open(on_loop)
        before = appender.num_groups

        async def one(number: int) -> None:
            with on_loop.expected():
                await asyncio.sleep(0.01 * number)
            assert await on_loop.appended("shop", record(number), TIMEOUT_S) is not None

        await asyncio.gather(*(one(number) for number in range(6)))
        return appender.num_groups - before

    # the first five together, of whom the last but one was the last worth waiting for; at most the last two by themselves
    assert run(appender, work, gather_s=30.0) <= 3


def test_it_goes_on_when_the_server_has_ended_its_connection(project: Project, log: EventLog) -> None:
    appender = others()

    async def work(on_loop: LoopAppender) -> Position | None:
        await until_open(on_loop)
        assert on_loop._appends is not None and on_loop._appends._connection is not None
        backend = on_loop._appends._connection.info.backend_pid
        with psycopg.connect(on_loop._appends._dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (backend,))
        while on_loop._appends.is_open:
            await asyncio.sleep(0.01)
        return await on_loop.appended("shop", record("last"), TIMEOUT_S)

    place = run(appender, work)
    assert place is not None
    (written,) = log.read(topics.events("shop"), place.partition, place.offset)
    assert written.key == "user-last"


def test_it_refuses_what_has_no_room_and_counts_it(project: Project) -> None:
    appender = GroupAppender(lambda project, records: append(project, topics.events(project), records), max_bytes=100)

    async def work(on_loop: LoopAppender) -> list[Position | None]:
        asked = (on_loop.appended("shop", record(number, 60), TIMEOUT_S) for number in range(2))
        return list(await asyncio.gather(*asked))

    first, second = run(appender, work)
    assert first is not None
    assert second is None
    assert appender.num_lost == 1


def test_it_keeps_nobody_waiting_longer_than_told(project: Project) -> None:
    async def work(on_loop: LoopAppender) -> Position | None:
        with on_loop.expected(), on_loop.expected():
            return await on_loop.appended("shop", record("a"), 0.01)

    assert run(others(), work, gather_s=30.0) is None
