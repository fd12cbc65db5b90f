"""The group appender: what waits goes together, who waits is told, and nothing waits without end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

from engine.errors import LogError, LogUnavailable
from engine.streams.log import Position, Record
from webapp.catalog.impressions import MAX_GROUP, AsyncPlace, GroupAppender


class Log:
    """Appends when it is let, and remembers how."""

    def __init__(self) -> None:
        self.appends: list[tuple[str, list[str]]] = []
        self.failures: list[Exception] = []
        self.is_open = threading.Event()
        self.is_open.set()
        self.is_appending = threading.Event()

    def append(self, project: str, records: Sequence[Record]) -> list[Position]:
        self.is_appending.set()
        assert self.is_open.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        first = len(self.keys)
        self.appends.append((project, [record.key for record in records]))
        return [Position(0, first + place) for place in range(len(records))]

    @property
    def keys(self) -> list[str]:
        return [key for _, keys in self.appends for key in keys]


def record(key: str, num_bytes: int = 1) -> Record:
    return Record(key, b"x" * num_bytes, 0)


def appender_of(log: Log, **options: Any) -> GroupAppender:
    return GroupAppender(log.append, sleep=lambda _: None, **options)


def held(log: Log, appender: GroupAppender) -> None:
    """One append is under way and does not end."""
    log.is_open.clear()
    assert appender.put("shop", record("first"))
    assert log.is_appending.wait(10)


async def appended(appender: GroupAppender, given: Record, timeout_s: float) -> Position | None:
    """As an event loop has it appended that cannot do so itself."""
    loop = asyncio.get_running_loop()
    place: AsyncPlace = loop.create_future()
    appender.put_for("shop", given, place, loop)
    try:
        return await asyncio.wait_for(place, timeout_s)
    except TimeoutError:
        return None


def test_what_waits_is_appended_together_in_order() -> None:
    log = Log()
    appender = appender_of(log)
    held(log, appender)
    for number in range(5):
        appender.put("shop", record(f"{number}"))
    for number in range(2):
        appender.put("rival", record(f"r{number}"))
    log.is_open.set()
    assert appender.flush(10)
    assert log.appends == [("shop", ["first"]), ("shop", ["0", "1", "2", "3", "4"]), ("rival", ["r0", "r1"])]
    assert (appender.num_appended, appender.num_groups, appender.num_lost) == (8, 3, 0)


def test_a_group_is_bounded() -> None:
    log = Log()
    appender = appender_of(log)
    held(log, appender)
    for number in range(MAX_GROUP + 3):
        appender.put("shop", record(f"{number}"))
    log.is_open.set()
    assert appender.flush(10)
    assert [len(keys) for _, keys in log.appends] == [1, MAX_GROUP, 3]


def test_who_waits_is_told_on_a_loop_and_on_a_thread() -> None:
    log = Log()
    appender = appender_of(log)

    async def many() -> list[Position | None]:
        return list(await asyncio.gather(*(appended(appender, record(f"{one}"), 10.0) for one in range(50))))

    assert asyncio.run(many()) == [Position(0, offset) for offset in range(50)]
    assert appender.appended_now("shop", record("last"), 10.0) == Position(0, 50)
    assert log.keys == [*(str(one) for one in range(50)), "last"]


def test_who_waits_is_told_of_a_failure_and_nothing_is_tried_again() -> None:
    log = Log()
    log.failures = [LogUnavailable("away", outcome="not appended"), RuntimeError("a bug")]
    appender = appender_of(log)
    assert not appender.appended_now("shop", record("a"), 10.0)
    assert not appender.appended_now("shop", record("b"), 10.0)
    assert appender.appended_now("shop", record("c"), 10.0)
    assert log.keys == ["c"]
    assert appender.num_lost == 2


def test_what_nobody_waits_for_is_tried_again_when_the_log_has_none_of_it() -> None:
    log = Log()
    log.failures = [LogUnavailable("away", outcome="not appended") for _ in range(3)]
    appender = appender_of(log)
    appender.put("shop", record("a"))
    assert appender.flush(10)
    assert (log.keys, appender.num_lost) == (["a"], 0)
    log.failures = [LogUnavailable("broke off", outcome="unknown"), LogError("too large", outcome="unknown")]
    appender.put("shop", record("b"))
    assert appender.flush(10)
    assert (log.keys, appender.num_lost) == (["a"], 1)


def test_what_has_no_room_is_refused() -> None:
    log = Log()
    appender = appender_of(log, max_waiting=3, max_bytes=100)
    held(log, appender)
    assert [appender.put("shop", record("big", 60)) for _ in range(2)] == [True, False]
    assert [appender.put("shop", record("small")) for _ in range(3)] == [True, True, False]
    assert not appender.appended_now("shop", record("late"), 10.0)
    log.is_open.set()
    assert appender.flush(10)
    assert log.keys == ["first", "big", "small", "small"]
    assert appender.num_lost == 3


def test_nobody_waits_longer_than_told() -> None:
    log = Log()
    appender = appender_of(log)
    held(log, appender)
    assert not asyncio.run(appended(appender, record("a"), 0.01))
    assert not appender.appended_now("shop", record("b"), 0.01)
    assert not appender.flush(0.01)
    log.is_open.set()
    assert appender.flush(10)


def test_an_append_waits_for_those_that_are_on_their_way() -> None:
    log = Log()
    appender = appender_of(log, gather_s=30.0)

    async def one(number: int, is_made: asyncio.Event) -> Position | None:
        with appender.expected():
            await is_made.wait()
        return await appended(appender, record(f"{number}"), 10.0)

    async def many() -> list[Position | None]:
        made = [asyncio.Event() for _ in range(5)]
        asked = [asyncio.create_task(one(number, each)) for number, each in enumerate(made)]
        for each in made:
            await asyncio.sleep(0)
            each.set()
        return list(await asyncio.gather(*asked))

    assert asyncio.run(many()) == [Position(0, offset) for offset in range(5)]
    # until one was left to be expected, who may have been on the way from there to here
    assert len(log.appends[0][1]) >= 3


def test_who_is_expected_and_never_comes_is_waited_for_no_longer_than_told() -> None:
    log = Log()
    appender = appender_of(log, gather_s=0.01)
    with appender.expected(), appender.expected(), appender.expected():
        assert appender.appended_now("shop", record("a"), 10.0) == Position(0, 0)


def test_a_lone_caller_waits_for_nobody() -> None:
    log = Log()
    appender = appender_of(log, gather_s=30.0)
    with appender.expected():
        assert appender.appended_now("shop", record("a"), 10.0) == Position(0, 0)
