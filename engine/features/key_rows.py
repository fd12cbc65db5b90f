"""Which row belongs to a 64-bit key: an open-addressing hash index in NumPy, looked up and filled by whole arrays."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

NO_ROW: Final = -1


class KeyRows:
    """Rows 0 to `max_rows - 1` for keys that are hashes already (their low bits choose the cell). Not thread-safe.

    Memory: 8 bytes a row and 4 bytes for each of at least 2 · `max_rows` cells, taken from the system as it is written to.
    """

    def __init__(self, max_rows: int) -> None:
        if max_rows < 1:
            raise ValueError(f"max_rows must be at least 1, received {max_rows}")
        self.max_rows = max_rows
        num_cells = 1 << (2 * max_rows - 1).bit_length()
        self._mask = np.uint64(num_cells - 1)
        # A row number plus one, so that fresh zeroed memory is an empty index.
        self._cells = np.zeros(num_cells, np.int32)
        self._keys = np.zeros(max_rows, np.uint64)
        self._is_used = np.zeros(max_rows, np.bool_)
        self._free: list[Rows] = []
        self._num_ever_used = 0
        self.num_rows = 0

    @property
    def num_free(self) -> int:
        return self.max_rows - self.num_rows

    def used(self) -> Rows:
        """The rows that have a key, ascending."""
        rows: Rows = np.flatnonzero(self._is_used[: self._num_ever_used])
        return rows

    def keys_of(self, rows: Rows) -> Keys:
        return self._keys[rows]

    def find(self, keys: Keys) -> Rows:
        """int64[n]: each key's row, `NO_ROW` for a key that has none."""
        found = np.full(len(keys), NO_ROW, np.int64)
        waiting = np.arange(len(keys))
        cells = keys & self._mask
        while waiting.size:
            rows = self._cells[cells].astype(np.int64) - 1
            is_here = (rows >= 0) & (self._keys[rows] == keys[waiting])
            found[waiting[is_here]] = rows[is_here]
            goes_on = (rows >= 0) & ~is_here
            waiting, cells = waiting[goes_on], (cells[goes_on] + np.uint64(1)) & self._mask
        return found

    def add(self, keys: Keys) -> Rows:
        """int64[n]: rows for n different keys that have none. Raises ValueError when there is no room for all."""
        if len(keys) > self.num_free:
            raise ValueError(f"{len(keys)} keys do not fit: {self.num_free} of {self.max_rows} rows are free")
        rows = self._take(len(keys))
        self._keys[rows] = keys
        self._is_used[rows] = True
        self.num_rows += len(keys)
        self._place(rows)
        return rows

    def remove(self, rows: Rows) -> None:
        """Let go of used rows. The index is built anew, so remove many at a time."""
        self._is_used[rows] = False
        self.num_rows -= len(rows)
        self._free.append(rows)
        self._cells.fill(0)
        self._place(self.used())

    def _take(self, num_wanted: int) -> Rows:
        parts: list[npt.NDArray[Any]] = []
        while num_wanted and self._free:
            rows = self._free.pop()
            parts.append(rows[:num_wanted])
            if len(rows) > num_wanted:
                self._free.append(rows[num_wanted:])
            num_wanted -= len(parts[-1])
        parts.append(np.arange(self._num_ever_used, self._num_ever_used + num_wanted))
        self._num_ever_used += num_wanted
        return np.concatenate(parts).astype(np.int64)

    def _place(self, rows: Rows) -> None:
        """Each row into the first empty cell from its key's on; of several that want one cell, one gets it and the rest go on."""
        cells = self._keys[rows] & self._mask
        while rows.size:
            is_empty = self._cells[cells] == 0
            self._cells[cells[is_empty]] = rows[is_empty] + 1
            goes_on = self._cells[cells] != rows + 1
            rows, cells = rows[goes_on], (cells[goes_on] + np.uint64(1)) & self._mask
