"""Row numbers of items: small integers that arrays are laid out by, instead of ids."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import xxhash

Rows = npt.NDArray[np.int32]
"""Row numbers of a catalogue; -1 stands for an item that it does not know."""

QUARANTINE_S: Final = 60.0
"""How long the row of a deleted item names nobody, so that a request that still holds it cannot take another item for it."""

_FIRST_CAPACITY: Final = 1024


def id_hash(item_id: str) -> int:
    """XXH64 of the UTF-8 bytes, seed 0."""
    return xxhash.xxh64_intdigest(item_id.encode())


class ItemRows:
    """Which item has which row. One writer at a time (the catalogue's lock); readers need no lock.

    Arrays are of `capacity` entries, which grows by doubling: a grown array is filled before it takes the old one's place, so whoever read
    `num_rows` first may index any array read after it with every row below.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` in seconds, of which only differences count."""
        self._clock = clock
        self._row_of: dict[str, int] = {}
        self._ids: list[str] = []
        self._freed: deque[tuple[float, int]] = deque()
        self.num_rows = 0
        self.num_items = 0
        self.servable = np.zeros(_FIRST_CAPACITY, np.bool_)
        self.id_hashes = np.zeros(_FIRST_CAPACITY, np.uint64)
        self.first_written_ms = np.zeros(_FIRST_CAPACITY, np.int64)
        # Places of the living among each other, without holes: a hole is filled by the last.
        self._row_at = np.zeros(_FIRST_CAPACITY, np.int32)
        self._place_of = np.zeros(_FIRST_CAPACITY, np.int32)

    @property
    def capacity(self) -> int:
        return int(self.servable.size)

    def row_of(self, item_id: str) -> int:
        """-1 for an unknown item."""
        return self._row_of.get(item_id, -1)

    def rows_of(self, item_ids: Iterable[str]) -> Rows:
        """int32[n], -1 for unknown items."""
        find = self._row_of.get
        return np.array([find(item_id, -1) for item_id in item_ids], np.int32)

    def ids_of(self, rows: Rows) -> list[str]:
        """Of rows that are or lately were an item's; what -1 stands for has no id and must not be among them."""
        ids = self._ids
        return [ids[row] for row in rows.tolist()]

    def living(self) -> Rows:
        """The rows of all items, hidden ones too, in a stable order; a copy. Under the writer's lock."""
        return self._row_at[: self.num_items].copy()

    def add(self, item_id: str, written_ms: int) -> int:
        """A row for an item that has none. It is not servable until the caller says so."""
        row = self._free_row()
        if row == len(self._ids):
            self._ids.append(item_id)
        else:
            self._ids[row] = item_id
        self.id_hashes[row] = id_hash(item_id)
        self.first_written_ms[row] = written_ms
        self._row_at[self.num_items] = row
        self._place_of[row] = self.num_items
        self.num_items += 1
        self.num_rows = len(self._ids)
        self._row_of[item_id] = row
        return row

    def remove(self, item_id: str) -> int:
        """Into quarantine; answers the row, -1 when there is none. The row keeps its id until another item gets it."""
        row = self._row_of.get(item_id, -1)
        if row < 0:
            return row
        self.servable[row] = False
        del self._row_of[item_id]
        self.num_items -= 1
        place, last = self._place_of[row], self._row_at[self.num_items]
        self._row_at[place] = last
        self._place_of[last] = place
        self._freed.append((self._clock(), row))
        return row

    def _free_row(self) -> int:
        if self._freed and self._clock() - self._freed[0][0] >= QUARANTINE_S:
            return self._freed.popleft()[1]
        if len(self._ids) == self.capacity:
            self._grow(2 * self.capacity)
        return len(self._ids)

    def _grow(self, capacity: int) -> None:
        for name in ("id_hashes", "first_written_ms", "_row_at", "_place_of", "servable"):
            old = getattr(self, name)
            new = np.zeros(capacity, old.dtype)
            new[: old.size] = old
            setattr(self, name, new)
