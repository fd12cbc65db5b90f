"""Impressions that we served ourselves, into the log: all that wait go in one append, by a thread of their own."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from engine.errors import LogError
from engine.streams import topics
from engine.streams.log import Position, Record
from webapp.core.log import append

logger = logging.getLogger(__name__)

MAX_WAITING = 20_000
MAX_WAITING_BYTES = 64 * 2**20
MAX_GROUP = 256
GATHER_S = 0.006
"""For so long a record waits for others that are on their way: an append costs the log and us the same for one as for several."""
WORTH_WAITING_FOR = 2
"""With fewer on their way nobody waits: a lone caller is answered at once."""
NUM_TRIES = 100
PAUSE_S = 0.05
"""After a failed append; times the tries, what nobody waits for outlives a log that starts anew."""

Append = Callable[[str, Sequence[Record]], Sequence[Position]]

AsyncPlace = asyncio.Future[Position | None]
Place = Future[Position | None]


class Waits(Protocol):
    """A record on its way into its project's log."""

    project: str
    record: Record


AnyWaiting = TypeVar("AnyWaiting", bound=Waits)


@dataclass(slots=True)
class _Waiting:
    """One record. `future` is told where the log has it, if it has: on `loop` when there is one, else from the appender's thread."""

    project: str
    record: Record
    future: AsyncPlace | Place | None
    loop: asyncio.AbstractEventLoop | None
    put_s: float
    num_tries: int = 0


class GroupAppender:
    """Thread-safe. What is put while an append is under way goes together in the next one, at most `MAX_GROUP` records of a project;
    while `WORTH_WAITING_FOR` others are `expected`, or nobody waits for what was put, it is gathered for at most `gather_s`.

    At most `max_waiting` records and `max_bytes` wait; more are refused, so that a log that does not answer costs no memory without
    end. What nobody waits for is tried again when the log says that it was not appended; what somebody waits for is not, for
    they are told. `append(project, records)` answers the places and raises `LogError`.
    """

    def __init__(
        self,
        append_records: Append,
        *,
        max_waiting: int = MAX_WAITING,
        max_bytes: int = MAX_WAITING_BYTES,
        gather_s: float = GATHER_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._append = append_records
        self._gather_s = gather_s
        self._max_waiting, self._max_bytes = max_waiting, max_bytes
        self._sleep = sleep
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._num_bytes = 0
        self._thread: threading.Thread | None = None
        self._is_busy = False
        self._is_gathering = False
        self._num_expected = 0
        self._num_awaited = 0
        self.num_appended = 0
        self.num_lost = 0
        self.num_groups = 0

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Inside, something is made that will be put right afterwards."""
        with self._changed:
            self._num_expected += 1
        try:
            yield
        finally:
            with self._changed:
                self._num_expected -= 1

    def has_room(self, num: int, num_bytes: int) -> bool:
        """Whether so many may wait elsewhere beside those that wait here; when not, one is counted as lost."""
        with self._changed:
            if len(self._waiting) + num <= self._max_waiting and self._num_bytes + num_bytes <= self._max_bytes:
                return True
            self.num_lost += 1
            return False

    def note(self, *, num_appended: int = 0, num_lost: int = 0) -> None:
        """One append was made elsewhere."""
        with self._changed:
            self.num_appended += num_appended
            self.num_lost += num_lost
            self.num_groups += num_appended > 0

    def put_for(self, project: str, record: Record, place: AsyncPlace, loop: asyncio.AbstractEventLoop) -> None:
        """Append it soon, and tell `place` on `loop` where the log has it; None when it has not."""
        if not self._put(_Waiting(project, record, place, loop, time.monotonic())):
            settle(place, None)

    def put(self, project: str, record: Record) -> bool:
        """Append it soon; False when there is no room, and then it is not."""
        return self._put(_Waiting(project, record, None, None, time.monotonic()))

    def appended_now(self, project: str, record: Record, timeout_s: float) -> Position | None:
        """Where the log has it, after at most `timeout_s`; None when it does not, or when that is not known by then."""
        future: Place = Future()
        if not self._put(_Waiting(project, record, future, None, time.monotonic())):
            return None
        try:
            return future.result(timeout_s)
        except TimeoutError:
            return None

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits any more; False when something still does."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._is_busy, timeout_s)

    def _put(self, waiting: _Waiting) -> bool:
        size = len(waiting.record.value)
        with self._changed:
            if len(self._waiting) >= self._max_waiting or self._num_bytes + size > self._max_bytes:
                self.num_lost += 1
                return False
            self._waiting.append(waiting)
            self._num_bytes += size
            self._num_awaited += waiting.future is not None
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="impressions", daemon=True)
                self._thread.start()
            elif not self._is_busy or (self._is_gathering and not self._is_worth_waiting()):
                self._changed.notify_all()
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_busy = False
                if not self._waiting:
                    self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                self._is_busy = True
                self._gather()
                group = self._take()
            self._append_group(group)

    def _gather(self) -> None:
        """Let others join what waits, the oldest of which waits for `gather_s` at most."""
        ends_s = self._waiting[0].put_s + self._gather_s
        self._is_gathering = True
        while self._is_worth_waiting() and (left_s := ends_s - time.monotonic()) > 0:
            self._changed.wait(left_s)
        self._is_gathering = False

    def _is_worth_waiting(self) -> bool:
        if len(self._waiting) >= MAX_GROUP:
            return False
        return self._num_expected >= WORTH_WAITING_FOR or self._num_awaited == 0

    def _take(self) -> list[_Waiting]:
        group = take_group(self._waiting)
        self._num_bytes -= sum(len(one.record.value) for one in group)
        self._num_awaited -= sum(one.future is not None for one in group)
        return group

    def _append_group(self, group: list[_Waiting]) -> None:
        """Append them and tell who waits; those are told of a failure too."""
        problem: LogError | None = None
        places: Sequence[Position | None] = [None] * len(group)
        try:
            places = self._append(group[0].project, [one.record for one in group])
        except LogError as error:
            problem = error
        except Exception as error:
            logger.exception("appending impressions failed")
            problem = LogError(str(error))
        _tell(group, places)
        if problem is None:
            self.note(num_appended=len(group))
            return
        again = self._again(group, may_repeat=problem.extra.get("outcome") == "not appended")
        self.note(num_lost=len(group) - len(again))
        logger.warning(
            "%d impressions of %s were not logged%s: %s",
            len(group),
            group[0].project,
            f", {len(again)} of them will be tried again" if again else "",
            problem.message,
        )
        self._sleep(PAUSE_S)

    def _again(self, group: list[_Waiting], *, may_repeat: bool) -> list[_Waiting]:
        """Those put back: the ones nobody waits for, when the log says that it has none of them."""
        again = [one for one in group if may_repeat and one.future is None and one.num_tries < NUM_TRIES]
        with self._changed:
            for one in again:
                one.num_tries += 1
                self._waiting.append(one)
                self._num_bytes += len(one.record.value)
        return again


def take_group(waiting: deque[AnyWaiting]) -> list[AnyWaiting]:
    """The oldest, and those of the same project behind it without a gap, at most `MAX_GROUP`; they wait no more."""
    project = waiting[0].project
    group: list[AnyWaiting] = []
    while waiting and len(group) < MAX_GROUP and waiting[0].project == project:
        group.append(waiting.popleft())
    return group


def settle(place: AsyncPlace, found: Position | None) -> None:
    """Unless it was before."""
    if not place.done():
        place.set_result(found)


def _tell(group: list[_Waiting], places: Sequence[Position | None]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[AsyncPlace, Position | None]]] = {}
    for one, place in zip(group, places, strict=True):
        if isinstance(one.future, Future):
            one.future.set_result(place)
        elif one.future is not None and one.loop is not None:
            by_loop.setdefault(one.loop, []).append((one.future, place))
    for loop, futures in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, futures)
        except RuntimeError:
            logger.info("an event loop ended before its impressions were logged")


def _settle_all(futures: list[tuple[AsyncPlace, Position | None]]) -> None:
    for future, place in futures:
        settle(future, place)


_lock = threading.Lock()
_appender: tuple[int, GroupAppender] | None = None


def impression_appender() -> GroupAppender:
    """This process's; a forked child has its own."""
    global _appender
    with _lock:
        if _appender is None or _appender[0] != os.getpid():
            _appender = (os.getpid(), GroupAppender(_append))
        return _appender[1]


def impressions_flush(timeout_s: float = 3.0) -> bool:
    """Wait until what was served is logged: before the process ends, and for tests."""
    return _appender is None or _appender[0] != os.getpid() or _appender[1].flush(timeout_s)


def _append(project: str, records: Sequence[Record]) -> Sequence[Position]:
    return append(project, topics.events(project), records)


atexit.register(impressions_flush)
