"""Many readers or one writer."""

from __future__ import annotations

import threading
from types import TracebackType


class _Reading:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def __enter__(self) -> None:
        self._gate.enter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._gate.leave()


class _Writing:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def __enter__(self) -> None:
        self._gate.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._gate.open()


class Gate:
    """`with gate.reading` on any thread, `with gate.writing` on one. Neither may be entered again by who is inside.

    Who wants to write waits for those who read, and those who come to read meanwhile wait for the writer: writes are short and would
    otherwise never come about under load.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._num_readers = 0
        self._is_closed = False
        self.reading = _Reading(self)
        self.writing = _Writing(self)

    def enter(self) -> None:
        with self._changed:
            while self._is_closed:
                self._changed.wait()
            self._num_readers += 1

    def leave(self) -> None:
        with self._changed:
            self._num_readers -= 1
            if self._is_closed and not self._num_readers:
                self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            while self._num_readers:
                self._changed.wait()

    def open(self) -> None:
        with self._changed:
            self._is_closed = False
            self._changed.notify_all()
