"""Rows that wait for something to be done to them, some before others."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from engine.retrieval.item_rows import Rows

_BEHIND: Final = 1
_URGENT: Final = 2


class WaitingRows:
    """Urgent rows before the others; among these in turn, by row number, so that none is passed over however often its neighbours come
    back. For one thread at a time.
    """

    def __init__(self) -> None:
        self._states = np.zeros(1024, np.uint8)
        self._next = 0

    def __len__(self) -> int:
        return int(np.count_nonzero(self._states))

    @property
    def num_urgent(self) -> int:
        return int(np.count_nonzero(self._states == _URGENT))

    def add_urgent(self, rows: Rows) -> None:
        self._make_room(rows)
        self._states[rows] = _URGENT

    def add(self, rows: Rows) -> None:
        """Those that are urgent stay so."""
        self._make_room(rows)
        self._states[rows] = np.maximum(self._states[rows], np.uint8(_BEHIND))

    def remove(self, rows: Rows) -> None:
        """Rows that do not wait are no error."""
        self._states[rows[rows < self._states.size]] = 0

    def of(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """bool[n]: which of `rows` wait."""
        self._make_room(rows)
        return self._states[rows] > 0

    def first(self, num: int) -> Rows:
        """The at most `num` whose turn it is; they wait until they are removed."""
        urgent = np.flatnonzero(self._states == _URGENT)[:num]
        missing = num - urgent.size
        behind = self._in_turn(missing) if missing > 0 else urgent[:0]
        return np.concatenate([urgent, behind]).astype(np.int32)

    def _in_turn(self, num: int) -> npt.NDArray[np.intp]:
        behind = np.flatnonzero(self._states == _BEHIND)
        if not behind.size:
            return behind
        start = int(np.searchsorted(behind, self._next))
        taken = np.concatenate([behind[start : start + num], behind[: max(0, min(start, num - (behind.size - start)))]])
        self._next = int(taken[-1]) + 1
        return taken

    def _make_room(self, rows: Rows) -> None:
        num_rows = int(rows.max()) + 1 if rows.size else 0
        if num_rows > self._states.size:
            grown = np.zeros(max(num_rows, 2 * self._states.size), np.uint8)
            grown[: self._states.size] = self._states
            self._states = grown
