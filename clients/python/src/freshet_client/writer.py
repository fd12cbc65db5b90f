"""Events in batches, from a thread that sends while the program goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

from freshet_client.answers import IngestAnswer, RejectedRow
from freshet_client.documents import Event
from freshet_client.errors import FreshetError, QueueFull

logger = logging.getLogger("freshet_client")


class EventWriter:
    """`add` returns at once; a batch leaves when it is full or its first event has waited `longest_wait_s`. Thread-safe.

    What the server rejects goes to `on_rejected`, what could not be sent after all tries to `on_failed`; both are called from the writer's
    thread, and log where none is given. `close` sends what waits; the end of a `with` closes. At most `max_waiting` events are kept.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Event]], IngestAnswer],
        *,
        batch_events: int = 500,
        longest_wait_s: float = 0.5,
        max_waiting: int = 10_000,
        on_rejected: Callable[[Event, RejectedRow], None] | None = None,
        on_failed: Callable[[list[Event], Exception], None] | None = None,
    ) -> None:
        if not 1 <= batch_events <= max_waiting:
            raise ValueError(f"batch_events must be from 1 to max_waiting ({max_waiting}), received {batch_events}")
        self._send = send
        self._batch_events = batch_events
        self._longest_wait_s = longest_wait_s
        self._max_waiting = max_waiting
        self._on_rejected = on_rejected or _log_rejected
        self._on_failed = on_failed or _log_failed
        self._changed = threading.Condition()
        self._waiting: deque[Event] = deque()
        self._oldest_s = 0.0
        self._num_unsent = 0
        self._is_flushing = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="freshet-events", daemon=True)
        self._thread.start()

    def add(self, event: Event, timeout_s: float = 0.0) -> None:
        """Keep an event to be sent. Waits up to `timeout_s` for room, then raises `QueueFull`; ValueError after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._max_waiting or self._is_closed, timeout_s)
            if self._is_closed:
                raise ValueError("the writer is closed")
            if len(self._waiting) >= self._max_waiting:
                raise QueueFull(f"{len(self._waiting)} events wait to be sent")
            if not self._waiting:
                self._oldest_s = time.monotonic()
            self._waiting.append(event)
            self._num_unsent += 1
            if len(self._waiting) in (1, self._batch_events):
                self._changed.notify_all()

    def flush(self, timeout_s: float | None = None) -> bool:
        """Send what waits and return when it is sent or given up; False: `timeout_s` was over before."""
        with self._changed:
            self._is_flushing = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._num_unsent == 0, timeout_s)

    def close(self, timeout_s: float | None = None) -> None:
        """Take no more, send what waits, and end the thread. A second call is harmless."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._sent(batch, self._send(batch))
            except FreshetError as error:
                self._told(self._on_failed, batch, error)
            with self._changed:
                self._num_unsent -= len(batch)
                self._is_flushing = self._is_flushing and self._num_unsent > 0
                self._changed.notify_all()

    def _next_batch(self) -> list[Event]:
        """Empty when the writer is closed and has sent everything."""
        with self._changed:
            while not self._is_due():
                if self._is_closed:
                    return []
                wait_s = self._oldest_s + self._longest_wait_s - time.monotonic() if self._waiting else None
                self._changed.wait(wait_s)
            batch = [self._waiting.popleft() for _ in range(min(self._batch_events, len(self._waiting)))]
            self._oldest_s = time.monotonic()
            self._changed.notify_all()
            return batch

    def _is_due(self) -> bool:
        if not self._waiting:
            return False
        is_old = time.monotonic() - self._oldest_s >= self._longest_wait_s
        return len(self._waiting) >= self._batch_events or is_old or self._is_flushing or self._is_closed

    def _sent(self, batch: list[Event], answer: IngestAnswer) -> None:
        for row in answer.rejected:
            self._told(self._on_rejected, batch[row.index], row)

    def _told(self, tell: Callable[..., None], *what: object) -> None:
        """A callback that fails must not take the thread with it, and every event behind."""
        try:
            tell(*what)
        except Exception:
            logger.exception("a callback of the event writer failed")


def _log_rejected(event: Event, row: RejectedRow) -> None:
    logger.warning("event %s was rejected: %s", event.event_id, list(row.problems))


def _log_failed(events: list[Event], error: Exception) -> None:
    logger.error("%d events could not be sent: %s", len(events), error)
