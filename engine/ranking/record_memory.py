"""Records by catalogue row, in memory that only ever grows at its end: readers take no lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.features.records import RecordLayout, Records, Starts, Words
from engine.retrieval.item_rows import Rows

NONE: Final = -1

_FIRST_ROWS: Final = 1024
_FIRST_WORDS: Final = 1 << 14
_WORTH_COMPACTING_WORDS: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class _Memory:
    words: Words
    starts: Starts


class RecordMemory:
    """One writer at a time; `find` from any thread, beside it.

    A record is written behind the last one before its row points at it, and never changed: whoever found it may read it for as long as it
    likes. Growing and compacting make a new memory, which takes the old one's place as one reference; the old one lives as long as its
    readers, and its starts are written no more once its words were replaced. At most half of the memory is of records that no row points
    at any more.
    """

    def __init__(self, layout: RecordLayout) -> None:
        self._layout = layout
        self._memory = _Memory(np.empty(_FIRST_WORDS, np.uint64), np.full(_FIRST_ROWS, NONE, np.int64))
        self._num_used = 0
        self._num_lost = 0

    @property
    def memory_bytes(self) -> int:
        memory = self._memory
        return memory.words.nbytes + memory.starts.nbytes

    def find(self, rows: Rows) -> Records:
        """Of n rows from 0 on; the start of a row without a record is `NONE`."""
        memory = self._memory
        if rows.size and int(rows.max()) >= len(memory.starts):
            known = rows < len(memory.starts)
            return Records(memory.words, np.where(known, memory.starts[np.where(known, rows, 0)], NONE))
        return Records(memory.words, memory.starts[rows])

    def write(self, rows: Rows, records: Records) -> None:
        """Different rows get the records, which `RecordLayout.pack` made."""
        self._make_room(int(rows.max()) + 1 if rows.size else 0, records.words.size)
        self.forget(rows)
        start = self._num_used
        self._num_used += records.words.size
        self._memory.words[start : self._num_used] = records.words
        self._memory.starts[rows] = records.starts + start

    def forget(self, rows: Rows) -> None:
        """The rows have no record any more."""
        held = self.find(rows)
        held_rows, starts = rows[held.starts != NONE], held.starts[held.starts != NONE]
        if held_rows.size:
            self._num_lost += int(self._layout.num_words(Records(held.words, starts)).sum())
            self._memory.starts[held_rows] = NONE

    def _make_room(self, num_rows: int, num_words: int) -> None:
        words, starts = self._memory.words, self._memory.starts
        if num_rows > starts.size:
            grown = np.full(max(num_rows, 2 * starts.size), NONE, np.int64)
            grown[: starts.size] = starts
            starts = grown
        if self._num_used + num_words > words.size:
            if self._num_lost > max(self._num_used // 2, _WORTH_COMPACTING_WORDS):
                words, starts = self._compacted(words, starts)
            larger = np.empty(max(2 * words.size, self._num_used + num_words), np.uint64)
            larger[: self._num_used] = words[: self._num_used]
            words = larger
            # Who reads the old words must not meet starts of records that only the new ones have.
            starts = starts.copy() if starts is self._memory.starts else starts
        self._memory = _Memory(words, starts)

    def _compacted(self, words: Words, starts: Starts) -> tuple[Words, Starts]:
        rows = np.flatnonzero(starts != NONE)
        lengths = self._layout.num_words(Records(words, starts[rows]))
        ends = np.cumsum(lengths)
        moved = starts.copy()
        moved[rows] = ends - lengths
        places = np.arange(int(lengths.sum())) + np.repeat(starts[rows] - moved[rows], lengths)
        self._num_used, self._num_lost = places.size, 0
        return words[places], moved
