"""Answers kept in this process for a moment, so that a busy request path does not ask PostgreSQL the same each time."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)

OLD_SHARE = 0.5  # of the time that an answer is kept; then whoever may ask without being waited for asks again
OUTAGE_S = 120.0  # how long requests that only read go on without PostgreSQL

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_all: list[Remembered] = []  # type: ignore[type-arg]


class NotRemembered(Exception):
    """Raised instead of asking PostgreSQL, by a thread that must not wait."""


@dataclass(slots=True)
class Reading:
    """How a thread asks what is remembered. `found_old`: something was given that had been kept for more than `OLD_SHARE` of its time."""

    may_ask: bool
    found_old: bool = False


_thread = threading.local()


@contextmanager
def only_remembered() -> Iterator[Reading]:
    """Inside, this thread is given what is remembered and never waits: what is not raises `NotRemembered`. For an event loop."""
    yield from _reading(Reading(may_ask=False))


@contextmanager
def made_anew() -> Iterator[Reading]:
    """Inside, what this thread is given was made within the first `OLD_SHARE` of its time: ahead of those who only remember."""
    yield from _reading(Reading(may_ask=True))


def _reading(reading: Reading) -> Iterator[Reading]:
    before = getattr(_thread, "reading", None)
    _thread.reading = reading
    try:
        yield reading
    finally:
        _thread.reading = before


class Remembered(Generic[Key, Value]):
    """At most `max_entries` answers, each for `keep_s` seconds of `clock`; the least recently made goes first. Thread-safe.

    A change made through this process is seen at once by whoever calls `forget`; another process sees it after `keep_s`.
    While PostgreSQL does not answer, an answer is given for `stale_s` more: whoever only reads goes on through its restart.
    """

    def __init__(
        self,
        keep_s: float,
        *,
        stale_s: float = 0.0,
        max_entries: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._keep_s = keep_s
        self._stale_s = stale_s
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._num_forgets = 0
        _all.append(self)

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The remembered answer, or what `make` says now. An exception of `make` is not remembered.

        See `only_remembered` and `made_anew` for how a thread may ask otherwise.
        """
        reading = getattr(_thread, "reading", None)
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and (left_s := entry[0] - self.clock()) > 0:
                if reading is None:
                    return entry[1]
                is_old = left_s < self._keep_s * (1 - OLD_SHARE)
                if reading.may_ask is False or not is_old:
                    reading.found_old = reading.found_old or is_old
                    return entry[1]
            num_forgets = self._num_forgets
        if reading is not None and not reading.may_ask:
            raise NotRemembered
        try:
            value = make()
        except (OperationalError, InterfaceError) as error:
            if entry is None or num_forgets != self._num_forgets or self.clock() >= entry[0] + self._stale_s:
                raise
            logger.warning("PostgreSQL does not answer (%s); going on with what was read before", error)
            return entry[1]
        with self._lock:
            # What was read before a `forget` may be what the forgetter wanted gone.
            if num_forgets == self._num_forgets:
                self._entries[key] = (self.clock() + self._keep_s, value)
                self._entries.move_to_end(key)
                while len(self._entries) > self._max_entries:
                    self._entries.popitem(last=False)
        return value

    def forget(self) -> None:
        with self._lock:
            self._num_forgets += 1
            self._entries.clear()


def forget_everything() -> None:
    """Every remembered answer of this process, gone: for tests, which roll back what was remembered."""
    for remembered in _all:
        remembered.forget()
