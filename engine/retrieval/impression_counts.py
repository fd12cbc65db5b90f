"""How often each item of a catalogue was shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.item_rows import Rows

MAX_WAITING: Final = 100_000
"""So many items that were shown and are not in the catalogue (yet) are counted; a deleted item's count is forgotten."""


class ImpressionCounts:
    """Counts by row. `of` and `total` from any thread, the rest from one."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._counts = np.zeros(1024, np.int64)
        self._waiting: dict[str, int] = {}
        self.total = 0

    def of(self, rows: Rows) -> npt.NDArray[np.float64]:
        """float64[n] of rows int32[n], none of them -1."""
        counts = self._counts
        found = np.zeros(rows.size)
        known = rows < counts.size
        found[known] = counts[rows[known]]
        return found

    def note(self, item_ids: Sequence[str]) -> None:
        """Each was shown once more."""
        if item_ids:
            self._add(item_ids, np.ones(len(item_ids), np.int64))

    def note_catalogue(self, changes: ItemChanges) -> None:
        """Items were written or deleted."""
        gone = changes.deleted_rows[changes.deleted_rows < self._counts.size]
        self.total -= int(self._counts[gone].sum())
        self._counts[gone] = 0
        if self._waiting:
            found = {each: self._waiting.pop(each) for each in changes.written if each in self._waiting}
            self.total -= sum(found.values())
            self._add(list(found), np.fromiter(found.values(), np.int64, len(found)))

    def copied(self) -> Callable[[], dict[str, int]]:
        """What answers item id -> count of all that were shown until now, from any thread, within a minute."""
        rows = np.flatnonzero(self._counts).astype(np.int32)
        counts, waiting = self._counts[rows], self._waiting.copy()
        return lambda: waiting | dict(zip(self._catalogue.ids_of(rows), counts.tolist(), strict=True))

    def restore(self, counts: Mapping[str, int]) -> None:
        """Add what a copy answered."""
        self._add(list(counts), np.fromiter(counts.values(), np.int64, len(counts)))

    def _add(self, item_ids: Sequence[str], counts: npt.NDArray[np.int64]) -> None:
        rows = self._catalogue.rows_of(item_ids)
        known = rows >= 0
        if known.any():
            most = int(rows.max())
            if most >= self._counts.size:
                grown = np.zeros(max(most + 1, 2 * self._counts.size), np.int64)
                grown[: self._counts.size] = self._counts
                self._counts = grown
            np.add.at(self._counts, rows[known], counts[known])
            self.total += int(counts[known].sum())
        for place in np.flatnonzero(~known).tolist():
            item_id = item_ids[place]
            if item_id in self._waiting or len(self._waiting) < MAX_WAITING:
                self._waiting[item_id] = self._waiting.get(item_id, 0) + int(counts[place])
                self.total += int(counts[place])
