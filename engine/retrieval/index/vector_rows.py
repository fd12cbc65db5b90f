"""Vectors by catalogue row in one contiguous array."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.embedding.row_scan import RowScan, whole_blocks
from engine.errors import EngineError
from engine.retrieval.source import Mask, Rows, Scores

Vectors = npt.NDArray[np.float32]

_FIRST_ROWS: Final = 1024


class RowsView(NamedTuple):
    """`vectors` float32[n, dim] and `present` bool[n] of the rows below n, as they are now and as they are written to; `scan` holds the
    same vectors in bytes, for looking through all of them."""

    vectors: Vectors
    present: Mask
    scan: RowScan | None = None


class VectorRows:
    """`write` and `remove` from one thread, everything else from any beside it and without a lock.

    A row is written in place. A reader may so meet one row while it is copied, some of its numbers old and some new, and give that one item
    a score that is neither its old nor its new one, in one request. Copying whatever a change touches would spare it that, and cost the
    whole array each time when new dense weights move every vector a few hundred at a time. What must not happen does not: a row is
    marked present after its vector is there, and absent before the row is cleared; a larger array is filled before it takes the old
    one's place.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.num_vectors = 0
        self._num_rows = 0
        self._arrays = RowsView(np.zeros((_FIRST_ROWS, dim), np.float32), np.zeros(_FIRST_ROWS, np.bool_))
        self._scan = RowScan.zeros(_FIRST_ROWS, dim)

    @property
    def num_rows(self) -> int:
        """Every row with a vector is below."""
        return self._num_rows

    @property
    def memory_bytes(self) -> int:
        return self._arrays.vectors.nbytes + self._arrays.present.nbytes + self._scan.memory_bytes

    def view(self) -> RowsView:
        """All rows below `num_rows`."""
        num_rows = self._num_rows  # before the arrays, which may be longer and are never shorter
        vectors, present, _ = self._arrays
        return RowsView(vectors[:num_rows], present[:num_rows], self._scan)

    def scores_of(self, user: Vectors, rows: Rows) -> Scores:
        """float32[n]: the dot product of each row with `user` float32[dim]; NaN for a row without a vector, and for -1."""
        vectors, present, _ = self.view()
        if not present.size:
            return np.full(len(rows), np.nan, np.float32)
        known = (rows >= 0) & (rows < present.size)
        places = np.where(known, rows, 0)
        scores: Scores = vectors.take(places, axis=0) @ user
        scores[~(known & present[places])] = np.nan
        return scores

    def vectors_of(self, rows: Rows) -> Vectors:
        """float32[n, dim]; zeros for a row without a vector, and for -1."""
        vectors, present, _ = self.view()
        if not present.size:
            return np.zeros((len(rows), self.dim), np.float32)
        known = (rows >= 0) & (rows < present.size)
        places = np.where(known, rows, 0)
        found: Vectors = vectors.take(places, axis=0)
        found[~(known & present[places])] = 0.0
        return found

    def write(self, rows: Rows, vectors: Vectors) -> None:
        """As `VectorIndex.write`."""
        if vectors.shape != (len(rows), self.dim):
            raise EngineError(f"vectors have shape {vectors.shape}, not {(len(rows), self.dim)}")
        if not len(rows):
            return
        if int(rows.min()) < 0:
            raise EngineError(f"rows must be from 0 on, received {int(rows.min())}")
        if not np.isfinite(vectors).all():
            num_bad = int((~np.isfinite(vectors).all(axis=1)).sum())
            raise EngineError(f"{num_bad} of {len(rows)} item vectors are not finite")
        bound = max(self._num_rows, int(rows.max()) + 1)
        if bound > self._arrays.present.size:
            self._grow(whole_blocks(max(bound, 2 * self._arrays.present.size)))
        written, present, _ = self._arrays
        written[rows] = vectors
        self._scan.write(rows, vectors)
        self.num_vectors += len(rows) - int(np.count_nonzero(present[rows]))
        present[rows] = True
        self._num_rows = bound

    def remove(self, rows: Rows) -> None:
        """As `VectorIndex.remove`."""
        vectors, present, _ = self._arrays
        rows = rows[(rows >= 0) & (rows < self._num_rows)]
        rows = np.unique(rows[present[rows]])
        present[rows] = False
        vectors[rows] = 0.0
        self._scan.write(rows, vectors[rows])
        self.num_vectors -= len(rows)

    def _grow(self, capacity: int) -> None:
        vectors, present, _ = self._arrays
        # Zeros that nobody has touched take no memory, so doubling costs address space only.
        more = RowsView(np.zeros((capacity, self.dim), np.float32), np.zeros(capacity, np.bool_))
        more.vectors[: self._num_rows] = vectors[: self._num_rows]
        more.present[: self._num_rows] = present[: self._num_rows]
        self._scan = self._scan.grown(capacity, self.dim)
        self._arrays = more
