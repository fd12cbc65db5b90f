"""Shown items that still wait for an action, found by recommendation or by user, and let go when their window ends."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.features.histories import History
from engine.spec.example import Cause


@dataclass(slots=True, eq=False)
class Impression:
    """What all items of one impression share, with the features as they were when it was shown. Times in ms."""

    event_id: str
    user_id: str
    recommendation_id: str | None
    time_ms: int
    cause: Cause
    user: dict[str, Any]
    history: History
    properties: dict[str, Any]
    request_time_ms: int | None = None


@dataclass(slots=True, eq=False)
class Shown:
    """One shown item. `number` orders by arrival; `acted` are the types of the actions that came so far.

    `counters` are the values that served the item or, where nobody logged them, those at the time it was shown.
    """

    number: int
    impression: Impression
    item_id: str
    item: dict[str, Any]
    acted: set[str] = field(default_factory=set)
    counters: dict[str, float] = field(default_factory=dict)


class PendingImpressions:
    """Shown items within their join window of `window_ms`, in event time."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._next_number = 0
        self._deadlines: list[tuple[int, int, Shown]] = []
        self._by_recommendation: dict[tuple[str, str], Shown] = {}
        self._by_user: dict[tuple[str, str], dict[int, Shown]] = {}

    def __len__(self) -> int:
        return len(self._deadlines)

    def __iter__(self) -> Iterator[Shown]:
        """In order of arrival."""
        return iter(sorted((shown for _, _, shown in self._deadlines), key=lambda shown: shown.number))

    def add(self, impression: Impression, item_id: str, item: dict[str, Any]) -> Shown | None:
        """Let the item wait; None when the same item of the same recommendation waits already."""
        if impression.recommendation_id is not None:
            place = (impression.recommendation_id, item_id)
            if place in self._by_recommendation:
                return None
        shown = Shown(self._next_number, impression, item_id, item)
        self._next_number += 1
        if impression.recommendation_id is not None:
            self._by_recommendation[place] = shown
        self._by_user.setdefault((impression.user_id, item_id), {})[shown.number] = shown
        heapq.heappush(self._deadlines, (impression.time_ms + self._window_ms, shown.number, shown))
        return shown

    def find(self, recommendation_id: str | None, user_id: str, item_id: str, time_ms: int) -> Shown | None:
        """The shown item an action at `time_ms` belongs to: of its recommendation or, without one, the user's newest."""
        if recommendation_id is not None:
            shown = self._by_recommendation.get((recommendation_id, item_id))
        else:
            candidates = self._by_user.get((user_id, item_id))
            if not candidates:
                return None
            shown = max(candidates.values(), key=lambda one: (one.impression.time_ms, one.number))
        if shown is None or time_ms > shown.impression.time_ms + self._window_ms:
            return None
        return shown

    def pop_ended(self, watermark_ms: int) -> Iterator[Shown]:
        """Those whose window ended before `watermark_ms`, earliest first."""
        while self._deadlines and self._deadlines[0][0] < watermark_ms:
            yield self.pop_oldest()

    def pop_oldest(self) -> Shown:
        """The one whose window ends first. Raises IndexError when there is none."""
        shown = heapq.heappop(self._deadlines)[2]
        impression = shown.impression
        if impression.recommendation_id is not None:
            del self._by_recommendation[impression.recommendation_id, shown.item_id]
        place = (impression.user_id, shown.item_id)
        waiting = self._by_user[place]
        del waiting[shown.number]
        if not waiting:
            del self._by_user[place]
        return shown
