"""How long an event takes to reach the parameters that answer, measured all the time.

Measured are ordinary actions, about one a second, and the canaries that are written when nobody acts (`engine.spec.canary`), noted as
the replica sees them arrive. One has arrived where it should when what the replica serves was trained on everything up to its place in
the log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

CANARY_EVERY_MS: Final = 1000
MAX_AGE_MS: Final = 30_000
"""An event that was received longer ago is history that a replica catches up with, until it has seen a younger one: from then on it is
a replica that was late.
"""

MAX_WAITING: Final = 4096
GIVE_UP_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class Canary:
    """The place in `events` of what is timed; when it happened and when it was received, in ms since 1970."""

    partition: int
    offset: int
    event_time_ms: int
    received_ms: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """Of canaries that arrived, in order: seconds from receipt (`wall_s`) and from the time they happened (`event_s`) until parameters
    trained on them answered; how many were given up; and for how long the oldest of those still waited for has been.
    """

    wall_s: tuple[float, ...] = ()
    event_s: tuple[float, ...] = ()
    num_given_up: int = 0
    waiting_s: float | None = None

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return bool(self.wall_s or self.num_given_up or self.waiting_s is not None)


class Canaries:
    """Chooses them among a project's events. For one thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` answers seconds since 1970."""
        self._clock = clock
        self._next_ms = 0
        self._is_following = False
        self._chosen: list[Canary] = []

    def note(self, canary: Canary) -> None:
        """Take it unless it is history, or another was taken within `CANARY_EVERY_MS`."""
        self._is_following = self._is_following or canary.received_ms >= self._clock() * 1000 - MAX_AGE_MS
        if canary.received_ms < self._next_ms or not self._is_following:
            return
        self._chosen.append(canary)
        self._next_ms = canary.received_ms + CANARY_EVERY_MS

    def take(self) -> list[Canary]:
        """Those chosen since the last call."""
        chosen, self._chosen = self._chosen, []
        return chosen


class FreshnessMeter:
    """Waits for the canaries of one served model. `expect` and `look` from one thread; `take` from any other.

    One that has not arrived after `give_up_s` is given up and counted: without canaries the last click of a day may be one that makes
    no example, and nothing comes after it that would show that it was passed.
    """

    def __init__(self, clock: Callable[[], float], *, give_up_s: float = GIVE_UP_S) -> None:
        """`clock` answers seconds since 1970."""
        self._clock = clock
        self._give_up_s = give_up_s
        self._waiting: deque[Canary] = deque(maxlen=MAX_WAITING)
        self._arrived: list[tuple[float, float]] = []
        self._num_given_up = 0

    def expect(self, canaries: Iterable[Canary]) -> None:
        self._waiting.extend(canaries)

    def look(self, events_through: Mapping[int, int]) -> None:
        """What answers now was trained on events before these next offsets."""
        if not self._waiting:
            return
        now_s = self._clock()
        waiting = [each for each in self._waiting if events_through.get(each.partition, 0) <= each.offset]
        if len(waiting) < len(self._waiting):
            arrived = (each for each in self._waiting if events_through.get(each.partition, 0) > each.offset)
            self._arrived += [
                (max(0.0, now_s - each.received_ms / 1000), now_s - each.event_time_ms / 1000) for each in arrived
            ]
        kept = [each for each in waiting if now_s - each.received_ms / 1000 <= self._give_up_s]
        self._num_given_up += len(waiting) - len(kept)
        if len(kept) < len(self._waiting):
            self._waiting = deque(kept, maxlen=MAX_WAITING)

    def take(self) -> Freshness:
        """What was measured since the last call."""
        arrived, self._arrived = self._arrived, []
        num_given_up, self._num_given_up = self._num_given_up, 0
        return Freshness(
            tuple(wall for wall, _ in arrived),
            tuple(event for _, event in arrived),
            num_given_up,
            max((self._clock() - each.received_ms / 1000 for each in self._waiting.copy()), default=None),
        )
