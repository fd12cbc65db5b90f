"""When `POST /events` asks a client to come back later: memory and threads of this process, and how far the joiner is behind.

Nothing that was acknowledged is touched by this; what is refused here was never read.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from webapp.accounts.models import Project
from webapp.core.errors import Busy
from webapp.core.remembered import Remembered
from webapp.training.joining import num_to_join

BUSY_RETRY_S = 1
LAG_RETRY_S = 5
LAG_KEPT_S = 1.0
UNPACKED_GROWTH = 10
"""What a packed body is taken to grow by; its true size is known only when it is unpacked."""


class Gate:
    """How much may be under work at once in this process. Thread-safe; whoever is refused holds nothing."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self._max_requests, self._max_bytes = max_requests, max_bytes
        self._lock = threading.Lock()
        self.num_requests = 0
        self.num_bytes = 0

    @contextmanager
    def entered(self, num_bytes: int) -> Iterator[None]:
        """Raises `Busy`. A body larger than all of `max_bytes` is let in when it is alone."""
        with self._lock:
            if self.num_requests >= self._max_requests:
                raise Busy(
                    f"{self.num_requests} requests wait for the event log here; send this one again in a moment.",
                    retry_after_s=BUSY_RETRY_S,
                    reason="requests",
                    limit=self._max_requests,
                )
            if self.num_requests and self.num_bytes + num_bytes > self._max_bytes:
                raise Busy(
                    f"{self.num_bytes} bytes of events are under work here; send this request again in a moment.",
                    retry_after_s=BUSY_RETRY_S,
                    reason="bytes",
                    limit=self._max_bytes,
                )
            self.num_requests += 1
            self.num_bytes += num_bytes
        try:
            yield
        finally:
            with self._lock:
                self.num_requests -= 1
                self.num_bytes -= num_bytes


gate = Gate(max_requests=settings.INGEST_MAX_REQUESTS, max_bytes=settings.INGEST_MAX_BYTES)
_lags: Remembered[int, int] = Remembered(LAG_KEPT_S)


@contextmanager
def admitted(*, project: Project, num_bytes: int, is_packed: bool) -> Iterator[None]:
    """Work on one body of `num_bytes` as sent. Raises `Busy`, `LogError`."""
    if is_packed:
        num_bytes = min(num_bytes * UNPACKED_GROWTH, settings.MAX_BODY_BYTES)
    with gate.entered(num_bytes):
        _check_lag(project)
        yield


def joiner_lag(project: Project) -> int:
    """Events in the log that the joiner has not joined yet, as of at most `LAG_KEPT_S` and its last report (each second)."""
    return _lags.get(project.pk, lambda: num_to_join(project=project))


def _check_lag(project: Project) -> None:
    limit: int = settings.INGEST_MAX_LAG
    if limit and (lag := joiner_lag(project)) > limit:
        raise Busy(
            f"The joiner is {lag} events behind, more than {limit}; send this request again when it has caught up.",
            retry_after_s=LAG_RETRY_S,
            reason="joiner_lag",
            limit=limit,
        )
