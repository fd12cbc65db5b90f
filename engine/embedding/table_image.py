"""A table as it was at one moment, read while training goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

import engine_cc
from engine.embedding.rows import Candidates, Fids, TableRows


class TableImage:
    """A point in time of a table: taken by `EmbeddingTable.image`, read by any one thread, ended by `close` or `with`.

    A full image has every row. An incremental one has the rows that changed since the last image of the table, and the FIDs
    erased since; it is full all the same (`is_incremental` says so) where that one was not read to its end and confirmed, or
    rows were imported since. A table has one image at a time. Rows that change before they are read leave a copy behind:
    `waiting_bytes`. Methods raise RuntimeError after `close`.
    """

    def __init__(self, core: engine_cc.Table, *, incremental: bool, on_confirm: Callable[[], None]) -> None:
        self._on_confirm = on_confirm
        self._core = engine_cc.Checkpoint(core, incremental)
        self.is_incremental = self._core.is_incremental
        self.digest = self._core.digest
        self.num_rows = self._core.num_rows
        """Rows of the table, whether or not they changed."""

    def rows(self, min_rows: int = 65_536) -> Iterator[TableRows]:
        """The rows, once, in pieces of at least `min_rows` and the rest of a segment."""
        while True:
            fids, slots, seen_at_s, counts, vectors, states, touched = self._core.next(min_rows)
            if not len(fids):
                return
            yield TableRows(fids, slots, vectors, seen_at_s, counts, states, touched)

    def erased(self) -> Fids:
        """FIDs erased or evicted since the last image; some may have rows again."""
        return self._core.erased()

    def pending_deletes(self) -> Fids:
        return self._core.pending_deletes()

    def candidates(self) -> Candidates:
        return Candidates(*self._core.candidates())

    def state_words(self) -> NDArray[np.uint64]:
        return self._core.state()

    @property
    def waiting_bytes(self) -> int:
        """Memory of copies of rows that changed and were not read yet."""
        return self._core.waiting_bytes()

    def confirm(self) -> None:
        """What was read is safe on disk: the next image may be an increment on it."""
        self._on_confirm()

    def close(self) -> None:
        """End the image; a second time does nothing."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
