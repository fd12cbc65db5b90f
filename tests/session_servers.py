"""The PostgreSQL, the Redis and the Kafka of one test session."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from deploy.kafka import jars
from deploy.kafka.broker import Kafka
from deploy.launcher.errors import StartError
from deploy.launcher.postgres import Postgres
from deploy.launcher.redis import Redis


class SessionServers:
    """Addresses are known at once; no server is started before `start`, which may be called again.

    TEST_DATABASE_URL, TEST_REDIS_URL and TEST_KAFKA_BOOTSTRAP_SERVERS name servers that are there already; then none is
    started. Kafka is started by `start_kafka` alone, when a test asks for it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._postgres: Postgres | None = None
        self._redis: Redis | None = None
        self._kafka: Kafka | None = None
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

    def start_kafka(self) -> str:
        """The address of the session's broker, which runs when this returns. Raises `StartError`."""
        given = os.environ.get("TEST_KAFKA_BOOTSTRAP_SERVERS", "")
        if given:
            return given
        if self._kafka is None:
            self._kafka = Kafka(self.folder / "kafka", log=self.folder / "kafka.log")
            self._kafka.start()
        return self._kafka.bootstrap_servers

    def stop(self) -> None:
        """Stops what was started and removes the session's folder."""
        for server in (self._kafka, self._redis, self._postgres):
            if server is not None:
                server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def why_no_kafka() -> str:
    """Why no broker can be started here; empty when one can. Resolves the jars, which the first time are downloaded."""
    if os.environ.get("TEST_KAFKA_BOOTSTRAP_SERVERS", ""):
        return ""
    try:
        jars.java()
        jars.class_path()
    except StartError as error:
        return str(error)
    return ""
