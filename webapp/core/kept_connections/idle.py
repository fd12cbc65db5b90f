"""Connections that nobody uses for the moment: a process's own, bounded, checked before they are lent again."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable

import psycopg
from psycopg.pq import TransactionStatus

MAX_IDLE = 16


class IdleConnections:
    """Thread-safe. A forked child begins with none: it must not speak on its parent's sockets."""

    def __init__(self, *, max_idle: int = MAX_IDLE, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_idle = max_idle
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[tuple[Hashable, psycopg.Connection, float]] = []
        self._parents: list[tuple[Hashable, psycopg.Connection, float]] = []
        self._pid = os.getpid()

    def take(self, address: Hashable) -> tuple[psycopg.Connection, float] | None:
        """A connection to `address` that answers, and until when it may be used; None when there is none."""
        while (found := self._pop(address)) is not None:
            connection, until_s = found
            if self._clock() < until_s and _answers(connection):
                return connection, until_s
            connection.close()
        return None

    def keep(self, address: Hashable, connection: psycopg.Connection, until_s: float) -> bool:
        """False when it is not fit to be kept; it is the caller's to close, then."""
        status = connection.info.transaction_status
        if connection.closed or status != TransactionStatus.IDLE or self._clock() >= until_s:
            return False
        with self._lock:
            self._forget_parent()
            if len(self._idle) >= self._max_idle:
                return False
            self._idle.append((address, connection, until_s))
        return True

    def close(self) -> None:
        with self._lock:
            self._forget_parent()
            idle, self._idle = self._idle, []
        for _, connection, _ in idle:
            connection.close()

    def _pop(self, address: Hashable) -> tuple[psycopg.Connection, float] | None:
        with self._lock:
            self._forget_parent()
            for place in range(len(self._idle) - 1, -1, -1):
                if self._idle[place][0] == address:
                    _, connection, until_s = self._idle.pop(place)
                    return connection, until_s
        return None

    def _forget_parent(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            # not closed, for that would end the parent's sessions; held, for collecting them would as well
            self._parents, self._idle = self._idle, []


def _answers(connection: psycopg.Connection) -> bool:
    """A server that restarted, or a firewall, leaves connections that look open."""
    try:
        connection.execute("")
    except psycopg.Error:
        return False
    return True
