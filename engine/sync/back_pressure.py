"""How long a trainer waits between two publishes, so that a replica that is slow gets fewer and larger deltas instead of falling off.

Rows that are touched several times between two publishes travel once, so a longer wait is less to apply, and not only later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

SLOW_FROM: Final = 32
CALM_BELOW: Final = 8
LONGEST_TIMES: Final = 32
LONGEST_S: Final = 30.0
STUCK_AFTER_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Slowest:
    """The live replica that is furthest behind, of those that move, in deltas."""

    name: str
    num_behind: int


class BackPressure:
    """The wait: `interval_s`, as declared, while every replica follows; twice as long each time one is `SLOW_FROM` deltas behind.

    It grows once a wait at most, to `LONGEST_TIMES` the declared interval or `LONGEST_S`, whichever is less; it halves with each look at
    which all are within `CALM_BELOW`. A replica that has nothing yet loads a snapshot, and one that has not moved for
    `STUCK_AFTER_S` waits for one: neither is helped by waiting, and they hold nobody back. Those that are dead are not
    to be named. `clock` in seconds; its epoch does not matter.
    """

    def __init__(self, interval_s: float, clock: Callable[[], float]) -> None:
        """Raises ValueError for an interval that is not above 0."""
        self._clock = clock
        self._moved: dict[str, tuple[int, float]] = {}
        self._grown_s = -float("inf")
        self.slowest: Slowest | None = None
        self._declared_s = self._longest_s = self.interval_s = 0.0
        self.declare(interval_s)

    def declare(self, interval_s: float) -> None:
        """From now on this is the wait while every replica follows. Raises ValueError for one that is not above 0."""
        if not interval_s > 0:
            raise ValueError(f"interval_s must be above 0, received {interval_s}")
        if interval_s != self._declared_s:
            self._declared_s = self.interval_s = interval_s
            self._longest_s = max(interval_s, min(interval_s * LONGEST_TIMES, LONGEST_S))

    @property
    def is_slowed(self) -> bool:
        return self.interval_s > self._declared_s

    def look(self, sequence: int, positions: Mapping[str, int]) -> None:
        """The trainer has published up to `sequence`; live replicas, by name, said last that they serve these sequences."""
        now_s = self._clock()
        self._moved = {
            name: (place, now_s) if self._moved.get(name, (None,))[0] != place else self._moved[name]
            for name, place in positions.items()
        }
        followers = (
            Slowest(name, max(0, sequence - place))
            for name, (place, since_s) in self._moved.items()
            if place > 0 and now_s - since_s < STUCK_AFTER_S
        )
        self.slowest = max(followers, key=lambda one: (one.num_behind, one.name), default=None)
        num_behind = self.slowest.num_behind if self.slowest is not None else 0
        if num_behind >= SLOW_FROM:
            if now_s - self._grown_s >= self.interval_s:
                self.interval_s = min(self.interval_s * 2, self._longest_s)
                self._grown_s = now_s
        elif num_behind <= CALM_BELOW:
            self.interval_s = max(self.interval_s / 2, self._declared_s)
