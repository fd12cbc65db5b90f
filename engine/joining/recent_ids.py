"""The ids of the last events, so that one that comes twice is joined once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator


class RecentIds:
    """The last `max_ids` ids noted, oldest first."""

    def __init__(self, max_ids: int) -> None:
        self._max_ids = max_ids
        # A dict alone would be searched from its front for the oldest, past everything that was deleted there.
        self._order: deque[str] = deque()
        self._known: set[str] = set()

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def note(self, event_id: str) -> bool:
        """False when the id is known already."""
        if event_id in self._known:
            return False
        self._known.add(event_id)
        self._order.append(event_id)
        if len(self._order) > self._max_ids:
            self._known.discard(self._order.popleft())
        return True

    def restore(self, event_ids: Iterable[str]) -> None:
        for event_id in event_ids:
            self.note(event_id)
