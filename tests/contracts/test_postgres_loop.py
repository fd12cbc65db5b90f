"""Appends from an event loop: as whole as those of a thread, and honest about what is not known."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
import pytest

from engine.errors import LogUnavailable
from engine.streams.log import Position, Record
from engine.streams.postgres import PostgresLog
from engine.streams.postgres_loop import LoopAppends

Answer = TypeVar("Answer")
TIMEOUT_S = 20.0


@pytest.fixture
def topic(log_dsn: str) -> str:
    name = f"shop.{uuid.uuid4().hex}"
    log = PostgresLog(log_dsn)
    log.create_topic(name)
    log.close()
    return name


def values(log_dsn: str, topic: str) -> list[tuple[int, str, bytes, int]]:
    log = PostgresLog(log_dsn)
    try:
        return [(one.offset, one.key, one.value, one.timestamp_ms) for one in log.read(topic, 0, 0)]
    finally:
        log.close()


@asynccontextmanager
async def opened(log_dsn: str) -> AsyncIterator[LoopAppends]:
    appends = LoopAppends(log_dsn)
    await appends.open()
    try:
        yield appends
    finally:
        appends.close()


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    async def limited() -> Answer:
        return await asyncio.wait_for(work, TIMEOUT_S)

    return asyncio.run(limited())


def test_records_are_where_it_says_beside_those_of_threads(log_dsn: str, topic: str) -> None:
    log = PostgresLog(log_dsn)
    large = bytes(range(256)) * 4_000

    async def work() -> list[list[Position] | None]:
        async with opened(log_dsn) as appends:
            first = await appends.append(topic, [Record("ä\u2603", b"\x00\xff", 7), Record("b", large, -1)], 0, 1)
            log.append(topic, [Record("thread", b"", 8)])
            return [first, await appends.append(topic, [Record("", large, 2**62)] * 3, 0, 1)]

    assert run(work()) == [
        [Position(0, 0), Position(0, 1)],
        [Position(0, 3), Position(0, 4), Position(0, 5)],
    ]
    log.close()
    assert values(log_dsn, topic) == [
        (0, "ä\u2603", b"\x00\xff", 7),
        (1, "b", large, -1),
        (2, "thread", b"", 8),
        *((offset, "", large, 2**62) for offset in (3, 4, 5)),
    ]


def test_a_topic_of_other_partitions_is_left_alone(log_dsn: str, topic: str) -> None:
    async def work() -> list[object]:
        async with opened(log_dsn) as appends:
            records = [Record("a", b"v", 1)]
            return [
                await appends.append(topic, records, 0, 2),
                await appends.append("nowhere", records, 0, 1),
                await appends.append(topic, records, 0, 1),
            ]

    assert run(work()) == [None, None, [Position(0, 0)]]
    assert len(values(log_dsn, topic)) == 1


@asynccontextmanager
async def held_up(log_dsn: str, topic: str) -> AsyncIterator[psycopg.Connection]:
    """Appends to the topic wait for a lock, and the connection that has it."""
    with psycopg.connect(log_dsn) as connection:
        connection.execute(
            "SELECT 1 FROM freshet_log.partition p JOIN freshet_log.topic t ON t.id = p.topic_id WHERE t.name = %s"
            " FOR UPDATE OF p",
            (topic,),
        )
        yield connection
        connection.rollback()


async def waits_for_a_lock(log_dsn: str) -> int:
    """The backend that does."""
    with psycopg.connect(log_dsn, autocommit=True) as watching:
        while True:
            row = watching.execute(
                "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%WITH placed AS%'"
                " AND pid <> pg_backend_pid()"
            ).fetchone()
            if row is not None:
                return int(row[0])
            await asyncio.sleep(0.01)


async def interrupted(log_dsn: str, topic: str, interrupt: Callable[[LoopAppends, int], None]) -> tuple[object, bool]:
    """What an append answers or raises when `interrupt` comes in its midst, and whether the connection is open then."""
    async with opened(log_dsn) as appends, held_up(log_dsn, topic):
        asked = asyncio.create_task(appends.append(topic, [Record("a", b"v", 1)], 0, 1))
        interrupt(appends, await waits_for_a_lock(log_dsn))
        (outcome,) = await asyncio.gather(asked, return_exceptions=True)
        await asyncio.sleep(0.05)
        return outcome, appends.is_open


def test_an_append_that_the_server_ends_is_not_in_the_log(log_dsn: str, topic: str) -> None:
    def terminate(_: LoopAppends, backend: int) -> None:
        with psycopg.connect(log_dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (backend,))

    outcome, is_open = run(interrupted(log_dsn, topic, terminate))
    # its last words and the end of the connection may come together, and then nothing is claimed
    assert outcome is None or isinstance(outcome, LogUnavailable)
    assert not is_open
    assert values(log_dsn, topic) == []


def test_whether_an_append_came_through_a_broken_connection_is_not_known(log_dsn: str, topic: str) -> None:
    def cut(appends: LoopAppends, _: int) -> None:
        assert appends._connection is not None
        with socket.socket(fileno=socket.dup(appends._connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)

    outcome, is_open = run(interrupted(log_dsn, topic, cut))
    assert isinstance(outcome, LogUnavailable)
    assert outcome.extra["outcome"] == "unknown"
    assert not is_open


def test_a_connection_whose_answer_nobody_took_is_not_used_again(log_dsn: str, topic: str) -> None:
    async def work() -> bool:
        async with opened(log_dsn) as appends, held_up(log_dsn, topic):
            asked = asyncio.create_task(appends.append(topic, [Record("a", b"v", 1)], 0, 1))
            await waits_for_a_lock(log_dsn)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            assert asked.cancelled()
            return appends.is_open

    assert run(work()) is False


def test_a_server_that_ends_an_idle_connection_is_noticed(log_dsn: str, topic: str) -> None:
    async def work() -> object:
        async with opened(log_dsn) as appends:
            assert appends._connection is not None
            backend = appends._connection.info.backend_pid
            with psycopg.connect(log_dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (backend,))
            while appends.is_open:
                await asyncio.sleep(0.01)
            return await appends.append(topic, [Record("a", b"v", 1)], 0, 1)

    assert run(work()) is None
    assert values(log_dsn, topic) == []
