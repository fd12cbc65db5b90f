"""Workers over the session's PostgreSQL and Redis, with the event log in the test database itself, as the web app's tests have it."""

from __future__ import annotations

from tests.webapp.conftest import _database_log, log, project

__all__ = ["_database_log", "log", "project"]
