"""How many rows each slot has, counted by walking through the tables a little at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.embedding.store import EmbeddingStore
from engine.embedding.table import EmbeddingTable

ROWS_PER_TURN: Final = 262_144
"""Rows that one turn looks at: some 30 ms at dim 16."""

_PIECE: Final = 65_536
_NUM_SLOTS: Final = 65_536

Counts = npt.NDArray[np.int64]


@dataclass(slots=True)
class _Walk:
    """Through one table; `rows` and `candidates` int64[65536] by slot number are of the last walk that came to its end."""

    pieces: Iterator[npt.NDArray[np.uint16]]
    counted: Counts = field(default_factory=lambda: np.zeros(_NUM_SLOTS, np.int64))
    rows: Counts | None = None
    candidates: Counts = field(default_factory=lambda: np.zeros(_NUM_SLOTS, np.int64))


class SlotCensus:
    """Counts rows and waiting candidates by slot number. Training goes on between turns, so a count is a moment's old."""

    def __init__(self, store: EmbeddingStore) -> None:
        self._tables = list(store.tables.values())
        self._walks = [_Walk(_slots(table)) for table in self._tables]

    def turn(self) -> None:
        """Look at `ROWS_PER_TURN` more rows of each table; a table that small is counted anew each time."""
        for table, walk in zip(self._tables, self._walks, strict=True):
            num = 0
            while num < ROWS_PER_TURN:
                slots = next(walk.pieces, None)
                if slots is None:
                    walk.rows, walk.counted = walk.counted, np.zeros(_NUM_SLOTS, np.int64)
                    walk.candidates = np.bincount(table.candidates().slots, minlength=_NUM_SLOTS)
                    walk.pieces = _slots(table)
                    break
                walk.counted += np.bincount(slots, minlength=_NUM_SLOTS)
                num += slots.size

    def num_rows(self, slot: int) -> int | None:
        """None until every table was walked through once."""
        counts = [walk.rows[slot] for walk in self._walks if walk.rows is not None]
        return int(sum(counts)) if len(counts) == len(self._walks) else None

    def num_candidates(self, slot: int) -> int:
        """Ids that are counted and have not earned a row yet."""
        return int(sum(walk.candidates[slot] for walk in self._walks))


def _slots(table: EmbeddingTable) -> Iterator[npt.NDArray[np.uint16]]:
    for rows in table.rows(_PIECE):
        yield rows.slots
