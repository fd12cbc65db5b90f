"""Threads on which the event loop has done what may wait for PostgreSQL or for a processor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import close_old_connections, connections

from webapp.core.kept_connections.base import DatabaseWrapper
from webapp.core.remembered import NotRemembered, only_remembered

logger = logging.getLogger(__name__)

NUM_THREADS = 8

Answer = TypeVar("Answer")


class Filling:
    """For one event loop. Of several requests that miss the same, one asks and the others find what it found."""

    def __init__(self, *, num_threads: int = NUM_THREADS) -> None:
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="door")
        self._locks: dict[Hashable, asyncio.Lock] = {}
        self._ahead: dict[Hashable, asyncio.Future[None]] = {}
        self._is_closed = False

    async def on_thread(self, work: Callable[[], Answer]) -> Answer:
        """What `work` answers; it may use PostgreSQL. Raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _with_connection, work)

    async def fill(self, key: Hashable, work: Callable[[], Answer]) -> Answer:
        """As `on_thread`, one after the other for each key; whoever waited looks first whether it is remembered by now."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            try:
                with only_remembered():
                    return work()
            except NotRemembered:
                return await self.on_thread(work)
            finally:
                if len(self._locks) > 1024:
                    self._locks = {one: held for one, held in self._locks.items() if held.locked()}

    def fill_ahead(self, key: Hashable, work: Callable[[], None]) -> None:
        """Do it on a thread that nobody waits for, unless it is being done for this key."""
        if key in self._ahead or self._is_closed:
            return
        done = asyncio.get_running_loop().run_in_executor(self._threads, _with_connection, work)
        self._ahead[key] = done
        done.add_done_callback(lambda future: self._filled(key, future))

    async def settled(self) -> None:
        """Wait for what nobody waits for."""
        if self._ahead:
            await asyncio.wait(list(self._ahead.values()))

    def close(self) -> None:
        """Nothing is begun any more."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _filled(self, key: Hashable, future: asyncio.Future[None]) -> None:
        self._ahead.pop(key, None)
        if not future.cancelled() and (error := future.exception()) is not None:
            logger.warning("what is remembered could not be read ahead: %s", error)


def _with_connection(work: Callable[[], Answer]) -> Answer:
    close_old_connections()
    try:
        return work()
    finally:
        for connection in connections.all(initialized_only=True):
            if isinstance(connection, DatabaseWrapper):
                connection.give_back()
