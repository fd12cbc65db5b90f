"""When a replica began to serve each sequence, and why it had to start anew from a snapshot: noted as it happens, taken once a second."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.sync.status import ReplicaStatus

MAX_KEPT: Final = 2048
"""Of each kind, when nobody takes them."""


@dataclass(frozen=True, slots=True)
class Reached:
    """From `at_ms` (since 1970) on answers came from parameters at `sequence`."""

    sequence: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Resynced:
    """A snapshot was loaded in place of everything. `cause` is an `engine.sync.status.ResyncCause`, `detail` what was wrong, in words."""

    cause: str
    at_ms: int
    from_sequence: int
    to_sequence: int
    detail: str


@dataclass(frozen=True, slots=True)
class Travel:
    """What came since the last time, oldest first, and where the replica stands; `status` is None before it served anything."""

    reached: tuple[Reached, ...] = ()
    resyncs: tuple[Resynced, ...] = ()
    status: ReplicaStatus | None = None


class TravelLog:
    """`note` from one thread, `take` from any other. `clock` answers seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._reached: deque[Reached] = deque(maxlen=MAX_KEPT)
        self._resyncs: deque[Resynced] = deque(maxlen=MAX_KEPT)
        self._status: ReplicaStatus | None = None

    def note(self, status: ReplicaStatus) -> None:
        """This is served from now on. The cheapest call where nothing has changed: it comes with every poll."""
        before = self._status
        if before is not None and (before.sequence, before.num_resyncs) == (status.sequence, status.num_resyncs):
            self._status = status
            return
        at_ms, was = int(self._clock() * 1000), before.sequence if before is not None else 0
        resyncs = Counter(status.resyncs_by_cause) - Counter(before.resyncs_by_cause if before is not None else {})
        detail = status.last_error or ""
        with self._lock:
            for cause, num in sorted(resyncs.items()):
                said = "" if cause == "asked" else detail
                self._resyncs.extend(Resynced(cause, at_ms, was, status.sequence, said) for _ in range(num))
            if status.sequence > 0 and (before is None or was != status.sequence):
                self._reached.append(Reached(status.sequence, at_ms))
            self._status = status

    def take(self) -> Travel:
        """What was noted since the last call."""
        with self._lock:
            taken = Travel(tuple(self._reached), tuple(self._resyncs), self._status)
            self._reached.clear()
            self._resyncs.clear()
        return taken
