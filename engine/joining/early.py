"""Actions that came before the impression they name, waiting for it for a while."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from engine.spec.example import Example


@dataclass(frozen=True, slots=True, eq=False)
class EarlyAction:
    """An action, and the example it makes if its impression does not come, with the features as they were before it was counted."""

    number: int
    event_type: str
    example: Example


class EarlyActions:
    """Actions by the recommendation and the item they name, until `wait_ms` after their event time. Not thread-safe."""

    def __init__(self, wait_ms: int) -> None:
        self._wait_ms = wait_ms
        self._next_number = 0
        self._ends: list[tuple[int, int]] = []
        self._waiting: dict[int, EarlyAction] = {}
        self._by_recommendation: dict[tuple[str, str], list[int]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[EarlyAction]:
        """In order of arrival."""
        return iter([self._waiting[number] for number in sorted(self._waiting)])

    def add(self, event_type: str, example: Example) -> None:
        """Let an action wait; its example must name a recommendation."""
        action = EarlyAction(self._next_number, event_type, example)
        self._next_number += 1
        self._waiting[action.number] = action
        self._by_recommendation.setdefault(_place(example), []).append(action.number)
        heapq.heappush(self._ends, (example.event_time_ms + self._wait_ms, action.number))

    def of_recommendation(self, recommendation_id: str, item_id: str) -> list[EarlyAction]:
        """Those that named this item of the recommendation, in order of arrival; they wait no longer."""
        numbers = self._by_recommendation.pop((recommendation_id, item_id), [])
        return [self._waiting.pop(number) for number in numbers]

    def forget(self, *, user_id: str | None = None, item_id: str | None = None) -> int:
        """Those of the user, or on the item, wait no more; answers how many there were."""
        gone = [one for one in self if user_id == one.example.user_id or item_id == one.example.item_id]
        for action in gone:
            del self._waiting[action.number]
            self._unlist(action)
        return len(gone)

    def first_end_ms(self) -> int | None:
        """When the first of them has waited long enough."""
        while self._ends and self._ends[0][1] not in self._waiting:
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def pop_ended(self, watermark_ms: int) -> EarlyAction | None:
        """The first of those that have waited until before `watermark_ms`."""
        end_ms = self.first_end_ms()
        return self.pop_oldest() if end_ms is not None and end_ms < watermark_ms else None

    def pop_oldest(self) -> EarlyAction:
        """The one that would have waited the shortest. Raises IndexError when there is none."""
        if self.first_end_ms() is None:
            raise IndexError("no action waits")
        action = self._waiting.pop(heapq.heappop(self._ends)[1])
        self._unlist(action)
        return action

    def _unlist(self, action: EarlyAction) -> None:
        place = _place(action.example)
        numbers = self._by_recommendation[place]
        numbers.remove(action.number)
        if not numbers:
            del self._by_recommendation[place]


def _place(example: Example) -> tuple[str, str]:
    if example.recommendation_id is None:
        raise ValueError(f"action {example.example_id!r} names no recommendation")
    return example.recommendation_id, example.item_id
