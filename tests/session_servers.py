"""The PostgreSQL and the Redis of one test session."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from deploy.launcher.postgres import Postgres
from deploy.launcher.redis import Redis


class SessionServers:
    """Addresses are known at once; no server is started before `start`, which may be called again.

    TEST_DATABASE_URL and TEST_REDIS_URL name servers that are there already; then none is started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._postgres: Postgres | None = None
        self._redis: Redis | None = None
        self._is_started = False
        self.database_url = os.environ.get("TEST_DATABASE_URL", "")
        self.redis_url = os.environ.get("TEST_REDIS_URL", "")
        if not self.database_url:
            self._postgres = Postgres(folder / "postgres", log=folder / "postgres.log", durable=False)
            self.database_url = self._postgres.url
        if not self.redis_url:
            self._redis = Redis(folder / "redis", log=folder / "redis.log", durable=False)
            self.redis_url = self._redis.url

    def start(self) -> None:
        if self._is_started:
            return
        self._is_started = True
        for server in (self._postgres, self._redis):
            if server is not None:
                server.start()

    def stop(self) -> None:
        """Stops what was started and removes the session's folder."""
        for server in (self._redis, self._postgres):
            if server is not None:
                server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
