"""Django's database connection in processes that have no requests, at whose borders Django would look after it."""

from __future__ import annotations

from django.db import connection


def drop_broken_connection() -> None:
    """Let go of this thread's connection when it is old or the server has broken it; the next query opens another.

    Inside a transaction nothing is done: it cannot go on elsewhere.
    """
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
