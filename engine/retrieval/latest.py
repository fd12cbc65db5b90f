"""The newest items of a catalogue."""

from __future__ import annotations

from bisect import bisect_left, insort


class LatestItems:
    """Item ids by when they were first written, newest first. Not thread-safe: the catalogue's lock guards it.

    An item that is written again keeps its place; one deleted and written again is new.
    """

    def __init__(self) -> None:
        # Ascending, so that the usual arrival (newest so far) is an append and not a move of everything behind it.
        self._by_time: list[tuple[int, str]] = []
        self._first_seen_ms: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._by_time)

    def add(self, item_id: str, written_ms: int) -> None:
        if item_id in self._first_seen_ms:
            return
        self._first_seen_ms[item_id] = written_ms
        insort(self._by_time, (written_ms, item_id))

    def remove(self, item_id: str) -> None:
        written_ms = self._first_seen_ms.pop(item_id, None)
        if written_ms is not None:
            del self._by_time[bisect_left(self._by_time, (written_ms, item_id))]

    def newest(self, num_items: int) -> list[str]:
        """At most `num_items` ids, newest first."""
        return [item_id for _, item_id in reversed(self._by_time[-num_items:])] if num_items > 0 else []
