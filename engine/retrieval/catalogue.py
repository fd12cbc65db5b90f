"""The live catalogue of a project: items and users with their properties, as of the last change read."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.retrieval.latest import LatestItems
from engine.spec.event import CatalogChange

Properties = Mapping[str, Any]


@dataclass(slots=True)
class ItemChanges:
    """Item ids written and deleted by a batch of changes; an id is in one of the two, by its last change."""

    written: dict[str, None] = field(default_factory=dict)
    deleted: dict[str, None] = field(default_factory=dict)


class Catalogue:
    """Properties by id. Safe to call from several threads; a change is seen whole, by every call after `apply`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: dict[str, Properties] = {}
        self._users: dict[str, Properties] = {}
        # Ids by number, so that a random one costs no walk through the dictionary; a hole is filled by the last.
        self._ids: list[str] = []
        self._number_of: dict[str, int] = {}
        self._latest = LatestItems()

    @property
    def num_items(self) -> int:
        return len(self._items)

    @property
    def num_users(self) -> int:
        return len(self._users)

    def apply(self, changes: Iterable[CatalogChange]) -> ItemChanges:
        """Apply changes in order; answers which items they touched."""
        touched = ItemChanges()
        with self._lock:
            for change in changes:
                if change.kind == "user":
                    self._apply_user(change)
                elif change.deleted:
                    self._delete_item(change.id)
                    touched.written.pop(change.id, None)
                    touched.deleted[change.id] = None
                else:
                    self._write_item(change)
                    touched.deleted.pop(change.id, None)
                    touched.written[change.id] = None
        return touched

    def has(self, item_id: str) -> bool:
        return item_id in self._items

    def present(self, item_ids: Iterable[str]) -> list[str]:
        """Those that are in the catalogue, in the order given."""
        return [item_id for item_id in item_ids if item_id in self._items]

    def item_properties(self, item_ids: Sequence[str]) -> list[Properties]:
        """Of each id, in order; {} for an id that has gone meanwhile."""
        return [self._items.get(item_id, {}) for item_id in item_ids]

    def user_properties(self, user_id: str) -> Properties:
        """{} for an unknown user."""
        return self._users.get(user_id, {})

    def all_ids(self) -> list[str]:
        """Every item id, in a stable order; a copy."""
        with self._lock:
            return list(self._ids)

    def newest(self, num_items: int) -> list[str]:
        """At most `num_items` item ids, newest first."""
        with self._lock:
            return self._latest.newest(num_items)

    def sample(self, num_items: int, generator: np.random.Generator, without: Collection[str] = ()) -> list[str]:
        """At most `num_items` different ids drawn uniformly; draws that hit `without` or repeat are not made again."""
        with self._lock:
            if not self._ids:
                return []
            drawn = generator.integers(0, len(self._ids), size=num_items).tolist()
            chosen = dict.fromkeys(self._ids[number] for number in drawn)
        return [item_id for item_id in chosen if item_id not in without]

    def _apply_user(self, change: CatalogChange) -> None:
        if change.deleted:
            self._users.pop(change.id, None)
        else:
            self._users[change.id] = change.properties

    def _write_item(self, change: CatalogChange) -> None:
        if change.id not in self._items:
            self._number_of[change.id] = len(self._ids)
            self._ids.append(change.id)
            self._latest.add(change.id, change.updated_ms)
        self._items[change.id] = change.properties

    def _delete_item(self, item_id: str) -> None:
        if self._items.pop(item_id, None) is None:
            return
        self._latest.remove(item_id)
        number, last = self._number_of.pop(item_id), self._ids.pop()
        if last != item_id:
            self._ids[number] = last
            self._number_of[last] = number
