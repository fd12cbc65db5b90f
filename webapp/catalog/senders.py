"""Who sent which events: the log does not say, so each process tells Redis three times a second at most, and Redis keeps the newest.

For people who look for their own client's events. What Redis cannot be told is lost, and nobody waits for it.
"""

from __future__ import annotations

import logging
import os
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import redis

from engine.streams.log import Position
from webapp.audit.acting import ActorKind, acting
from webapp.core.clock import wall_ms
from webapp.core.redis_connection import redis_connection

logger = logging.getLogger(__name__)

KEPT: Final = 2_000
KEPT_S: Final = 3_600
MAX_WAITING: Final = 500
TELL_AFTER_S: Final = 0.3
_BEYOND: Final = 2**63

Range = tuple[int, int, int]
"""Partition, first offset, and the offset behind the last."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One call that brought events. `who` is a key's name with its prefix, an account, or "" for Freshet itself; `source` is the door."""

    at_ms: int
    who: str
    source: str
    ranges: tuple[Range, ...]
    num_repeated: int = 0
    num_rejected: int = 0


class Senders:
    """The newest calls, newest first, and which of them brought what is at a place of the log: no two brought the same."""

    def __init__(self, calls: Sequence[Sending]) -> None:
        self.calls = calls
        self._ranges = sorted((*one, number) for number, call in enumerate(calls) for one in call.ranges)

    def of(self, partition: int, offset: int) -> Sending | None:
        place = bisect_right(self._ranges, (partition, offset, _BEYOND)) - 1
        if place < 0:
            return None
        found, first, after, number = self._ranges[place]
        return self.calls[number] if found == partition and first <= offset < after else None


def door_of(source: str) -> str:
    """Where a row came from, with the key that brought it."""
    actor = acting()
    return f"{source} · {actor.name}" if actor.kind is ActorKind.KEY else source


def note_sent(
    project: str, source: str, positions: Iterable[Position], *, num_repeated: int, num_rejected: int
) -> None:
    """Whoever acts now sent events that were put there, and others that were not put anywhere."""
    actor = acting()
    who = "" if actor.kind is ActorKind.SYSTEM else actor.name
    _teller.put(project, (wall_ms(), who, source, list(positions), num_repeated, num_rejected))


def senders_of(project: str, limit: int = 500) -> Senders:
    """Of the newest calls; of none when Redis does not answer."""
    try:
        # typed as if it might be a promise, which only the client for asyncio makes
        kept: Any = redis_connection().lrange(_key(project), 0, limit - 1)
    except redis.RedisError as error:
        logger.warning("who sent what is not known: %s", error)
        return Senders([])
    return Senders([_sending(*orjson.loads(one)) for one in kept])


def _sending(at_ms: int, who: str, source: str, ranges: list[list[int]], *nums: int) -> Sending:
    return Sending(at_ms, who, source, tuple((one, first, after) for one, first, after in ranges), *nums)


def ranges_of(positions: list[Position]) -> list[Range]:
    """Records of one append lie next to each other in each partition."""
    if not positions:
        return []
    first, last = positions[0], positions[-1]
    if first.partition == last.partition and last.offset - first.offset == len(positions) - 1:
        return [(first.partition, first.offset, last.offset + 1)]
    bounds: dict[int, tuple[int, int]] = {}
    for one in positions:
        low, high = bounds.get(one.partition, (one.offset, one.offset))
        bounds[one.partition] = min(low, one.offset), max(high, one.offset)
    return [(partition, low, high + 1) for partition, (low, high) in bounds.items()]


class Teller:
    """What waits to be told, and a thread that tells it when some time has gone by; there is none while nobody sends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.begin_anew()

    def begin_anew(self) -> None:
        """As in a forked child, whose parent's thread it has not."""
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, tuple[Any, ...]]] = deque(maxlen=MAX_WAITING)
        self._timer: threading.Timer | None = None

    def put(self, project: str, said: tuple[Any, ...]) -> None:
        with self._lock:
            self._waiting.append((project, said))
            if self._timer is None:
                self._timer = threading.Timer(TELL_AFTER_S, self.tell)
                self._timer.daemon = True
                self._timer.start()

    def tell(self) -> None:
        """Tell Redis now; for tests too."""
        with self._lock:
            said, self._timer = list(self._waiting), None
            self._waiting.clear()
        if not said:
            return
        try:
            with redis_connection().pipeline(transaction=False) as pipeline:
                for project, (at_ms, who, source, positions, *nums) in said:
                    pipeline.lpush(_key(project), orjson.dumps((at_ms, who, source, ranges_of(positions), *nums)))
                for project in {project for project, _ in said}:
                    pipeline.ltrim(_key(project), 0, KEPT - 1)
                    pipeline.expire(_key(project), KEPT_S)
                pipeline.execute()
        except redis.RedisError as error:
            logger.warning("%d calls are not noted: %s", len(said), error)


def senders_tell() -> None:
    """Tell Redis what waits, now."""
    _teller.tell()


def _key(project: str) -> str:
    return f"freshet:senders:{project}"


_teller = Teller()
os.register_at_fork(after_in_child=_teller.begin_anew)
