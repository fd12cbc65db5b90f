"""Impressions into the log from an event loop: what waits goes in one append, which no thread is woken for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg

from engine.errors import LogError
from engine.streams import topics
from engine.streams.log import Position, Record
from engine.streams.postgres import PostgresLog
from engine.streams.postgres_loop import LoopAppends
from webapp.catalog.impressions import (
    GATHER_S,
    MAX_GROUP,
    WORTH_WAITING_FOR,
    AsyncPlace,
    GroupAppender,
    settle,
    take_group,
)
from webapp.core.log import event_log

logger = logging.getLogger(__name__)

OPENED_EVERY_S: Final = 1.0
"""A database that lets nobody in is tried again so often."""


@dataclass(slots=True)
class _Waiting:
    project: str
    record: Record
    place: AsyncPlace
    put_s: float


class LoopAppender:
    """For one event loop; not thread-safe. As `GroupAppender`, for those who wait.

    What cannot go from here goes to `others`, whose thread knows how: a log that is not PostgreSQL's, a topic that this process has not
    appended to before, a database that has just gone. `others` has the counts of both.
    """

    def __init__(self, others: GroupAppender, loop: asyncio.AbstractEventLoop, *, gather_s: float = GATHER_S) -> None:
        self._others = others
        self._loop = loop
        self._gather_s = gather_s
        self._waiting: deque[_Waiting] = deque()
        self._num_bytes = 0
        self._num_expected = 0
        self._turn: asyncio.Future[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._appends: LoopAppends | None = None
        self._opening: asyncio.Task[None] | None = None
        self._opens_s = 0.0

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Inside, something is made that will be put right afterwards."""
        self._num_expected += 1
        try:
            yield
        finally:
            self._num_expected -= 1

    async def appended(self, project: str, record: Record, timeout_s: float) -> Position | None:
        """Where the log has it, after at most `timeout_s`; None when it does not, or when that is not known by then."""
        place: AsyncPlace = self._loop.create_future()
        if not self._others.has_room(len(self._waiting) + 1, self._num_bytes + len(record.value)):
            return None
        self._waiting.append(_Waiting(project, record, place, time.monotonic()))
        self._num_bytes += len(record.value)
        if self._running is None:
            self._running = self._loop.create_task(self._run())
        elif self._turn is not None and not self._is_worth_waiting():
            self._take_turn()
        handle = self._loop.call_later(timeout_s, settle, place, None)
        try:
            return await place
        finally:
            handle.cancel()

    async def close(self) -> None:
        """Let go of the connection. What still waits is told that it is not known to be in the log."""
        under_way = [task for task in (self._opening, self._running) if task is not None]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        if self._appends is not None:
            self._appends.close()
        while self._waiting:
            settle(self._waiting.popleft().place, None)

    async def _run(self) -> None:
        """Until nothing waits."""
        try:
            while self._waiting:
                await self._gather()
                await self._append(self._take())
        finally:
            self._running = None

    async def _gather(self) -> None:
        left_s = self._waiting[0].put_s + self._gather_s - time.monotonic()
        if left_s <= 0 or not self._is_worth_waiting():
            return
        self._turn = self._loop.create_future()
        handle = self._loop.call_later(left_s, self._take_turn)
        try:
            await self._turn
        finally:
            self._turn = None
            handle.cancel()

    def _take_turn(self) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def _is_worth_waiting(self) -> bool:
        return len(self._waiting) < MAX_GROUP and self._num_expected >= WORTH_WAITING_FOR

    def _take(self) -> list[_Waiting]:
        group = take_group(self._waiting)
        self._num_bytes -= sum(len(one.record.value) for one in group)
        return group

    async def _append(self, group: list[_Waiting]) -> None:
        """Append them and tell who waits, of a failure too."""
        places: Sequence[Position | None] | None
        try:
            places = await self._appended_here(group[0].project, [one.record for one in group])
        except LogError as error:
            logger.warning("%d impressions of %s were not logged: %s", len(group), group[0].project, error.message)
            self._others.note(num_lost=len(group))
            places = [None] * len(group)
        except Exception:
            logger.exception("appending impressions failed")
            self._others.note(num_lost=len(group))
            places = [None] * len(group)
        if places is None:
            for one in group:
                self._others.put_for(one.project, one.record, one.place, self._loop)
            return
        for one, place in zip(group, places, strict=True):
            settle(one.place, place)
        if places[0] is not None:
            self._others.note(num_appended=len(group))

    async def _appended_here(self, project: str, records: Sequence[Record]) -> Sequence[Position] | None:
        """None when that cannot be, and then nothing was appended. Raises `LogError`."""
        log, topic = event_log(), topics.events(project)
        if not isinstance(log, PostgresLog) or (place := log.one_place(topic, records)) is None:
            return None
        if self._appends is None or not self._appends.is_open:
            self._open(log.dsn)
            return None
        return await self._appends.append(topic, records, *place)

    def _open(self, dsn: str) -> None:
        """Soon; what comes meanwhile goes to the others."""
        if self._opening is None and time.monotonic() >= self._opens_s:
            self._opens_s = time.monotonic() + OPENED_EVERY_S
            self._appends = LoopAppends(dsn)
            self._opening = self._loop.create_task(self._opened(self._appends))

    async def _opened(self, appends: LoopAppends) -> None:
        try:
            await appends.open()
        except psycopg.Error as error:
            logger.warning("no connection for impressions: %s", error)
        finally:
            self._opening = None
