"""One admin client per process, opened at first use, opened again when it lost its way, tried for a while."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from kafka import KafkaAdminClient
from kafka.errors import (
    CoordinatorNotAvailableError,
    KafkaError,
    KafkaTimeoutError,
    NotControllerError,
    NotCoordinatorError,
    UnknownTopicOrPartitionError,
)

from engine.errors import LogError
from engine.streams.kafka_failures import translated
from engine.streams.kafka_settings import KafkaSettings

RETRY_EVERY_S = 0.1

_LOST = (NotCoordinatorError, CoordinatorNotAvailableError, NotControllerError)
"""A client keeps the coordinators it once found; a new one looks for them again."""

_SIGN_IN_HINT = (
    "; a broker that does not accept KAFKA_SASL_* or KAFKA_SSL_* looks the same, so check their authentication"
)
"""kafka-python tries again after a refused sign-in and in the end only says that it ran out of time."""

_Answer = TypeVar("_Answer")

_of_parents: list[Any] = []
"""Clients that a forked child inherited. They are never closed nor collected there: both would disturb the parent's sockets."""


def keep_for_parent(client: Any) -> None:
    """In a forked child: never touch `client` again, not even to destroy it."""
    _of_parents.append(client)


class KafkaAdmin:
    """Runs calls that may be made twice with the same effect. Safe to call from several threads."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._monotonic = monotonic
        self._is_closed = False
        self._client: Any = None
        self._pid = os.getpid()
        self._lock = threading.Lock()

    def run(self, doing: str, work: Callable[[Any], _Answer], **extra: Any) -> _Answer:
        """`work(client)`, again after errors that pass, until `request_timeout_ms` are over.

        Raises `UnknownTopic`, `LogUnavailable`, `LogError`.
        """
        deadline = self._monotonic() + self._settings.request_timeout_ms / 1000
        with translated(doing, **extra):
            while True:
                client = None
                try:
                    client = self._opened()
                    return work(client)
                except UnknownTopicOrPartitionError:
                    raise
                except (KafkaError, OSError, RuntimeError) as error:
                    # RuntimeError: another thread closed this client, because it had lost its way
                    if isinstance(error, KafkaError) and not error.retriable:
                        raise
                    is_late = self._monotonic() >= deadline
                    if is_late or isinstance(error, _LOST):
                        self._drop(client)
                    if is_late:
                        raise
                    self._sleep(RETRY_EVERY_S)

    def close(self) -> None:
        self._is_closed = True
        if self._pid == os.getpid():
            self._drop(self._client)

    def _opened(self) -> Any:
        if self._pid != os.getpid():
            keep_for_parent(self._client)
            self._client, self._pid, self._lock = None, os.getpid(), threading.Lock()
        with self._lock:
            if self._is_closed:
                raise LogError("the event log is closed")
            if self._client is None:
                self._client = self._connected()
            return self._client

    def _connected(self) -> Any:
        try:
            return KafkaAdminClient(**self._settings.connection())
        except KafkaTimeoutError as error:
            servers = ", ".join(self._settings.bootstrap_servers)
            hint = "" if self._settings.security_protocol == "PLAINTEXT" else _SIGN_IN_HINT
            raise KafkaTimeoutError(f"no connection to {servers}{hint}") from error

    def _drop(self, client: Any) -> None:
        with self._lock:
            if client is None or client is not self._client:
                return
            self._client = None
        client.close()
