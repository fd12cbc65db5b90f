"""The items that were clicked within a window, which is where every list of clicks comes from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Columns = npt.NDArray[np.int32]


class ActiveItems:
    """Numbers the items in play: column c stands for item `items[c]`, and item i has column `column_of[i]`, -1 if none."""

    def __init__(self, num_items: int) -> None:
        self.items = np.empty(0, np.int64)
        self.column_of: Columns = np.full(num_items, -1, np.int32)

    def set(self, items: npt.NDArray[np.int64]) -> None:
        self.column_of[self.items] = -1
        self.items = items
        self.column_of[items] = np.arange(items.size, dtype=np.int32)

    def __len__(self) -> int:
        return self.items.size

    def columns(self, items: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Columns of items, same shape; -1 for an item out of play and for -1."""
        return np.where(items >= 0, self.column_of[items], -1).astype(np.int64)

    def marked(self, items: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """bool[m, len(self)]: which columns each row of items[m, s] names; -1 names none."""
        mask = np.zeros((items.shape[0], len(self)), np.bool_)
        columns = self.columns(items)
        rows = np.broadcast_to(np.arange(items.shape[0])[:, np.newaxis], items.shape)
        mask[rows[columns >= 0], columns[columns >= 0]] = True
        return mask
