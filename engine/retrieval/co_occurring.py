"""Items that go with the asker's history, from what all users do."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.item_rows import Rows
from engine.retrieval.item_to_item import ItemToItem, ItemToItemSettings
from engine.retrieval.source import Action, Allowed, Found, Mask, allowed_first

_ACTIONS_AT_ONCE: Final = 32
"""A request waits for as many at most: a third of a millisecond."""

_LOOKED_AT: Final = 4
"""So many times what is asked for is looked at first: usually enough of it is allowed."""


class CoOccurringItems:
    """An `ItemToItem` fed by one thread and asked by any. Users are its contexts."""

    name: Final = "item_to_item"

    def __init__(self, catalogue: Catalogue, settings: ItemToItemSettings | None = None) -> None:
        self._catalogue = catalogue
        self._settings = settings or ItemToItemSettings()
        self._lock = threading.Lock()
        self._index = ItemToItem(self._settings)
        # The catalogue's row of each row of the index, -1 where it has none.
        self._rows: Rows = np.empty(0, np.int32)
        self._num_named = 0
        self._numbering = 0

    def retrieve(self, asker: Asker, num_items: int, allowed: Allowed) -> Found:
        """Nothing for a history of which no item is known."""
        if not asker.history or num_items <= 0:
            return Found.nothing()
        mask = allowed.mask_if_ready()
        if mask is not None:
            return self._best(asker.history, mask, num_items)
        found = self._best(asker.history, None, _LOOKED_AT * num_items)
        answer = allowed_first(found, num_items, allowed)
        if len(answer) < num_items and len(found) == _LOOKED_AT * num_items:
            answer = allowed_first(self._best(asker.history, None, self._rows.size), num_items, allowed)
        return answer

    def observe(self, actions: Sequence[Action]) -> None:
        for part in _parts(actions):
            users, items, times_ms = zip(*part, strict=True)
            with self._lock:
                self._index.observe(users, items, times_ms)
                self._name_new()

    def note_catalogue(self, changes: ItemChanges) -> None:
        """Items that were written have rows from now on; those deleted are forgotten."""
        for item_id in changes.deleted:
            self.forget(item_id)
        for item_id, row in zip(changes.written, changes.written_rows.tolist(), strict=True):
            with self._lock:
                own = self._index.row_of(item_id)
                if own >= 0:
                    self._rows[own] = row

    def forget(self, item_id: str) -> None:
        with self._lock:
            self._index.forget(item_id)

    def forget_user(self, user_id: str) -> None:
        with self._lock:
            self._index.forget_context(user_id)

    def configure(self, settings: ItemToItemSettings) -> None:
        """Count and rank in another way from now on, with nothing known yet."""
        self._settings = settings
        self.clear()

    def clear(self) -> None:
        with self._lock:
            self._index = ItemToItem(self._settings)
            self._num_named = 0

    def _best(self, history: Sequence[str], mask: Mask | None, num_items: int) -> Found:
        with self._lock:
            return Found(*self._index.best(history, self._rows, mask, num_items))

    def _name_new(self) -> None:
        index = self._index
        if index.numbering != self._numbering:
            self._numbering, self._num_named = index.numbering, 0
        first, num = self._num_named, index.num_rows
        if num == first:
            return
        if num > self._rows.size:
            grown = np.full(max(num, 2 * self._rows.size, 1024), -1, np.int32)
            grown[:first] = self._rows[:first]
            self._rows = grown
        self._rows[first:num] = self._catalogue.rows_of("" if each is None else each for each in index.ids_from(first))
        self._num_named = num


def _parts(actions: Sequence[Action]) -> Iterator[Sequence[Action]]:
    for start in range(0, len(actions), _ACTIONS_AT_ONCE):
        yield actions[start : start + _ACTIONS_AT_ONCE]
