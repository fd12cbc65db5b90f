"""Items that go with the asker's history, from what all users do."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Final

from engine.retrieval.asker import Asker
from engine.retrieval.item_to_item import ItemToItem, ItemToItemSettings
from engine.retrieval.source import Action, Eligible, Scored

_ACTIONS_AT_ONCE: Final = 128
"""A request waits for as many at most: one or two milliseconds."""


class CoOccurringItems:
    """An `ItemToItem` fed by one thread and asked by any. Users are its contexts."""

    name: Final = "item_to_item"

    def __init__(self, settings: ItemToItemSettings | None = None) -> None:
        self._settings = settings or ItemToItemSettings()
        self._lock = threading.Lock()
        self._index = ItemToItem(self._settings)

    def candidates(self, asker: Asker, num_items: int, eligible: Eligible) -> list[Scored]:
        """Nothing for a history of which no item is known."""
        with self._lock:
            found = self._index.find([asker.history], len(self._index)) if asker.history else None
            ids = [] if found is None else self._index.ids(found.rows)
        return [] if found is None else eligible.first(zip(ids, found.scores.tolist(), strict=True), num_items)

    def observe(self, actions: Sequence[Action]) -> None:
        for part in _parts(actions):
            users, items, times_ms = zip(*part, strict=True)
            with self._lock:
                self._index.observe(users, items, times_ms)

    def forget(self, item_id: str) -> None:
        with self._lock:
            self._index.forget(item_id)

    def configure(self, settings: ItemToItemSettings) -> None:
        """Count and rank in another way from now on, with nothing known yet."""
        self._settings = settings
        self.clear()

    def clear(self) -> None:
        with self._lock:
            self._index = ItemToItem(self._settings)


def _parts(actions: Sequence[Action]) -> Iterator[Sequence[Action]]:
    for start in range(0, len(actions), _ACTIONS_AT_ONCE):
        yield actions[start : start + _ACTIONS_AT_ONCE]
