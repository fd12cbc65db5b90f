"""Copies of a model that learns, each kept up by the real sync path at its own interval, with event time as the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.evaluation.replay.following import Follower
from engine.evaluation.replay.ranker import Pairs, Places, joined, target_ranks

MISSED: Final = 1_000_000
"""The rank of an item that was no candidate."""
NEVER: Final = 2**62
_HOUR_MS: Final = 3_600_000
_FLUSH_PAIRS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Timetable:
    """Syncs each `interval_ms` of event time from `freeze_ms` on, with None never after that; until then, as the model warms up, each hour
    at least."""

    interval_ms: int | None
    freeze_ms: int

    def next_ms(self, now_ms: int) -> int:
        """When the sync after one at `now_ms` is due."""
        if now_ms < self.freeze_ms:
            return min(now_ms + min(self.interval_ms or _HOUR_MS, _HOUR_MS), self.freeze_ms)
        if self.interval_ms is None:
            return NEVER
        return self.freeze_ms + ((now_ms - self.freeze_ms) // self.interval_ms + 1) * self.interval_ms


class Copy:
    """A serving copy that applies what was published at the times of its timetable.

    Clicks to be ranked are kept until the parameters are about to change, and then scored together.
    """

    def __init__(self, name: str, follower: Follower, timetable: Timetable, num_clicks: int) -> None:
        self.name = name
        self._timetable = timetable
        self._due_ms = 0
        self._follower = follower
        self._waiting: list[Pairs] = []
        self.ranks: Places = np.full(num_clicks, MISSED, np.int64)

    @property
    def sequence(self) -> int:
        """The last delta that it will not ask for again; a frozen copy asks for none."""
        return NEVER if self._due_ms == NEVER else self._follower.sequence

    def sync(self, now_ms: int) -> None:
        """Apply everything published, if the interval has passed."""
        if now_ms < self._due_ms:
            return
        self._due_ms = self._timetable.next_ms(now_ms)
        self.flush()
        self._follower.follow()

    def rank(self, pairs: Pairs) -> None:
        """Note the ranks of the clicks' items by this copy's present parameters."""
        self._waiting.append(pairs)
        if sum(part.num_pairs for part in self._waiting) >= _FLUSH_PAIRS:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            pairs = joined(self._waiting)
            scores = self._follower.predictor.pair_scores(
                pairs.user, pairs.items, pairs.user_rows, pairs.item_rows, pairs.pairs
            )
            self.ranks[pairs.clicks] = target_ranks(pairs, scores, MISSED)
            self._waiting = []
