"""Django's PostgreSQL backend, with connections that go from one request to the next.

Under ASGI each request runs in a context of its own, so `CONN_MAX_AGE` keeps nothing: every request opened a connection,
which costs PostgreSQL a process (about 5 ms of processor time, as much as 150 events). The web process turns keeping on;
others, whose threads live long, go on as Django does. (Django's own pool needs the package psycopg_pool.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.postgresql import base as postgresql
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from webapp.core.kept_connections.idle import IdleConnections

_idle = IdleConnections()
_keeps = False


def keep_connections(keeps: bool = True) -> None:
    """Say whether this process keeps what it closes; without, those kept are closed."""
    global _keeps
    _keeps = keeps
    if not keeps:
        _idle.close()


class DatabaseWrapper(postgresql.DatabaseWrapper):
    _usable_until_s = 0.0

    def get_new_connection(self, conn_params: dict[str, Any]) -> psycopg.Connection[Any]:
        kept = _idle.take(self._address) if _keeps else None
        if kept is None:
            self._usable_until_s = time.monotonic() + float(self.settings_dict["CONN_MAX_AGE"] or 0)
            made: psycopg.Connection[Any] = super().get_new_connection(conn_params)
            return made
        connection, self._usable_until_s = kept
        self.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        return connection

    def give_back(self) -> None:
        """The request is over. Inside a transaction, or when nothing is kept, this does nothing."""
        if _keeps and self.connection is not None and not self.in_atomic_block:
            self.close()

    def _close(self) -> None:
        """What Django calls to close for good: here the connection may be kept instead."""
        if not (_keeps and self._is_clean() and _idle.keep(self._address, self.connection, self._usable_until_s)):
            super()._close()  # type: ignore[misc]  # the stubs leave it out

    def _is_clean(self) -> bool:
        return (
            self.connection is not None
            and not self.in_atomic_block
            and not self.errors_occurred
            and self.get_autocommit()
        )

    @property
    def _address(self) -> Hashable:
        return tuple(str(self.settings_dict[name]) for name in ("NAME", "USER", "HOST", "PORT", "OPTIONS"))


class GiveBack:
    """First in `MIDDLEWARE`: at a request's end its connections are given back, in the thread that used them."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self._get_response(request)
        finally:
            for connection in connections.all(initialized_only=True):
                if isinstance(connection, DatabaseWrapper):
                    connection.give_back()
