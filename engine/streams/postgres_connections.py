"""A small pool of PostgreSQL connections: bounded, thread-safe, aware of forks and of servers that restart."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.pq import TransactionStatus

from engine.errors import LogError

PLANS = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off"
"""Every statement of the log goes by a primary key, in its order, whatever its values. Left to itself the server plans a read anew
each time, which takes four times as long as the read; and a plan that is kept must be good when the table has grown."""


def connected(dsn: str) -> psycopg.Connection:
    """A new connection for statements of the log. Raises `psycopg.Error`."""
    connection = psycopg.connect(dsn, autocommit=True)
    try:
        connection.execute(PLANS)
    except BaseException:
        connection.close()
        raise
    return connection


class ConnectionPool:
    """At most `max_connections` connections at a time; a thread waits for one when all are lent.

    Connections are in autocommit mode; whoever opens a transaction ends it before giving the connection back,
    otherwise the connection is closed instead of kept.
    """

    def __init__(self, dsn: str, *, max_connections: int = 8) -> None:
        self._dsn = dsn
        self._max_connections = max_connections
        self._closed = False
        self._reset()

    def _reset(self) -> None:
        # A forked child must not speak on its parent's sockets, nor inherit locks held by threads it does not have.
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(self._max_connections)
        self._idle: list[psycopg.Connection] = []

    @contextmanager
    def connection(self, *, fresh: bool = False) -> Iterator[psycopg.Connection]:
        """Lend a connection; `fresh` drops the idle ones first. Raises `LogError` when closed, `psycopg.Error`."""
        if self._pid != os.getpid():
            self._reset()
        if fresh:
            self._close_idle()
        with self._free:
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    def close(self) -> None:
        self._closed = True
        if self._pid == os.getpid():
            self._close_idle()

    def _take(self) -> psycopg.Connection:
        if self._closed:
            raise LogError("the event log is closed")
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return connected(self._dsn)

    def _give_back(self, connection: psycopg.Connection) -> None:
        if self._closed or connection.info.transaction_status != TransactionStatus.IDLE:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
