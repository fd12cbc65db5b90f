"""Connections to PostgreSQL that go from one periodic task to the next.

Celery closes every connection before and after each task, and opening one costs PostgreSQL a process and all that it has to read
again: more than most of these tasks take. What is kept is checked before it is lent, and renewed after `CONN_MAX_AGE`.
"""

from __future__ import annotations

from typing import Any

from webapp.core.kept_connections.base import keep_connections
from workers.pulse import PERIODIC


def keep_between_tasks(task: Any, **_: object) -> None:
    """Before a periodic task begins, in the child that works on it: what that inherited from its parent has been let go by then."""
    if task.name in PERIODIC and not task.request.is_eager:
        keep_connections()
