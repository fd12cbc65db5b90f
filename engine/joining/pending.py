"""Impressions that still wait for actions: the younger ones in memory, the others on the disk, all let go when their windows end."""

from __future__ import annotations

import heapq
from typing import Final

from engine.joining.impression import Impression, Shown
from engine.joining.spilled import Place, SpilledImpressions
from engine.joining.stages import Stages

# Spilling makes room for a while, so that it writes many impressions at once.
_KEPT_SHARE: Final = 7 / 8


class PendingImpressions:
    """Impressions within their windows, in event time. Not thread-safe.

    Those in memory take about `max_bytes` after each `spill`, which moves the ones that came first to `spilled`; one that is acted on
    comes back. Where there is no `spilled`, all stay in memory.
    """

    def __init__(self, stages: Stages, max_bytes: int, spilled: SpilledImpressions | None = None) -> None:
        self.stages = stages
        self.spilled = spilled
        self.num_bytes = 0
        self.next_number = 0
        self._max_bytes = max_bytes
        self._num_shown = 0
        self._waiting: dict[int, Impression] = {}
        self._ends: list[Place] = []
        self._by_recommendation: dict[tuple[str, str], int] = {}
        self._by_user: dict[tuple[str, str], list[int]] = {}

    def __len__(self) -> int:
        """Shown items that wait."""
        return self._num_shown + (self.spilled.num_shown if self.spilled is not None else 0)

    def in_memory(self) -> list[Impression]:
        """In order of arrival."""
        return sorted(self._waiting.values(), key=lambda one: one.number)

    def add(self, impression: Impression) -> None:
        """Let a new impression wait, with at least one item, none of which `waits_in` its recommendation already."""
        impression.number = self.next_number
        self.next_number += 1
        self.put(impression)

    def put(self, impression: Impression) -> None:
        """Let an impression wait that has its number."""
        number = impression.number
        self._waiting[number] = impression
        self.num_bytes += impression.num_bytes
        self._num_shown += len(impression.shown)
        for item_id in impression.shown:
            if impression.recommendation_id is not None:
                self._by_recommendation[impression.recommendation_id, item_id] = number
            self._by_user.setdefault((impression.user_id, item_id), []).append(number)
        end_ms = self._end_of(impression)
        if end_ms is None:
            raise ValueError(f"impression {number} waits for nothing any more")
        heapq.heappush(self._ends, (end_ms, number))

    def waits_in(self, recommendation_id: str, item_id: str) -> bool:
        """Whether the recommendation's item waits already."""
        return self._number_of(recommendation_id, item_id) is not None

    def find(self, recommendation_id: str | None, user_id: str, item_id: str) -> Shown | None:
        """The shown item an action is about: of its recommendation or, without one, the user's newest."""
        number = (
            self._newest_of(user_id, item_id)
            if recommendation_id is None
            else self._number_of(recommendation_id, item_id)
        )
        if number is None:
            return None
        impression = self._waiting.get(number)
        if impression is None:
            impression = self._spilled().take(number)
            self.put(impression)
        return impression.shown[item_id]

    def pop_ended(self, watermark_ms: int) -> Impression | None:
        """The impression the end of whose next window is the earliest, if that is before `watermark_ms`."""
        first = self.first_end()
        return self._pop(first) if first is not None and first[0] < watermark_ms else None

    def pop_oldest(self) -> Impression:
        """The one whose window ends first. Raises IndexError when there is none."""
        first = self.first_end()
        if first is None:
            raise IndexError("no impression waits")
        return self._pop(first)

    def first_end(self) -> Place | None:
        """When the first of all next windows ends, and its impression's number."""
        ends = self._ends
        while ends and not self._is_valid(ends[0]):
            heapq.heappop(ends)
        spilled = self.spilled.first_end() if self.spilled is not None else None
        if not ends or (spilled is not None and spilled < ends[0]):
            return spilled
        return ends[0]

    def forget_user(self, user_id: str) -> int:
        """Nothing that was shown to the user waits any more; answers how many shown items did. Raises OSError."""
        gone = [one for one in self._waiting.values() if one.user_id == user_id]
        for impression in gone:
            self._forget(impression)
        if self.spilled is not None:
            gone += [self.spilled.take(number) for number in self.spilled.numbers_of_user(user_id)]
        num_shown = sum(len(one.shown) for one in gone)
        for impression in gone:
            impression.let_go()
        return num_shown

    def forget_item(self, item_id: str) -> int:
        """The item waits no more in any impression; answers in how many it did. Raises OSError.

        Those on the disk are read from beginning to end, which takes seconds where millions wait.
        """
        holders = [one for one in self._waiting.values() if item_id in one.shown]
        for impression in holders:
            self._forget(impression)
        if self.spilled is not None:
            numbers = [one.number for one in self.spilled if item_id in one.shown]
            holders += [self.spilled.take(number) for number in numbers]
        for impression in holders:
            shown = impression.shown.pop(item_id)
            shown.acted.clear()
            if impression.shown:
                self.put(impression)
            else:
                impression.let_go()
        return len(holders)

    def spill(self) -> None:
        """Move impressions to the disk when they are too many for the memory; their counters must be settled. Raises OSError."""
        if self.spilled is None or self.num_bytes <= self._max_bytes:
            return
        leaving, num_bytes = [], self.num_bytes
        for impression in self._waiting.values():
            leaving.append(impression)
            num_bytes -= impression.num_bytes
            if num_bytes <= self._max_bytes * _KEPT_SHARE:
                break
        for impression in leaving:
            self._forget(impression)
        self.spilled.put(leaving)
        self._ends = [place for place in self._ends if self._is_valid(place)]
        heapq.heapify(self._ends)

    def _pop(self, place: Place) -> Impression:
        impression = self._waiting.get(place[1])
        if impression is None:
            return self._spilled().take(place[1])
        self._forget(impression)
        return impression

    def _forget(self, impression: Impression) -> None:
        number = impression.number
        del self._waiting[number]
        self.num_bytes -= impression.num_bytes
        self._num_shown -= len(impression.shown)
        for item_id in impression.shown:
            if impression.recommendation_id is not None:
                del self._by_recommendation[impression.recommendation_id, item_id]
            place = (impression.user_id, item_id)
            numbers = self._by_user[place]
            numbers.remove(number)
            if not numbers:
                del self._by_user[place]

    def _is_valid(self, place: Place) -> bool:
        """An impression that left, and came back or went to its next window, has left its old place in the heap."""
        impression = self._waiting.get(place[1])
        return impression is not None and self._end_of(impression) == place[0]

    def _end_of(self, impression: Impression) -> int | None:
        end_ms = self.stages.next_end(impression.waits, impression.ended_ms)
        return None if end_ms is None else impression.time_ms + end_ms

    def _number_of(self, recommendation_id: str, item_id: str) -> int | None:
        number = self._by_recommendation.get((recommendation_id, item_id))
        if number is None and self.spilled is not None:
            number = self.spilled.number_of(recommendation_id, item_id)
        return number

    def _newest_of(self, user_id: str, item_id: str) -> int | None:
        places: list[Place] = [
            (self._waiting[number].time_ms, number) for number in self._by_user.get((user_id, item_id), ())
        ]
        if self.spilled is not None:
            spilled = self.spilled.newest_of(user_id, item_id)
            if spilled is not None:
                places.append(spilled)
        return max(places)[1] if places else None

    def _spilled(self) -> SpilledImpressions:
        if self.spilled is None:
            raise KeyError("nothing was spilled")
        return self.spilled
