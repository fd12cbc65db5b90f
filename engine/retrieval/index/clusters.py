"""Rows in lists by the centroid that their vector is nearest to, so that a search looks through a few lists instead of all rows.

The lists are faiss's (`IndexIVFScalarQuantizer`, 16-bit floats); what measured best, and beside what, is in docs/retrieval-index.md.
"""

from __future__ import annotations

from typing import Final

import faiss
import numpy as np
import numpy.typing as npt

from engine.retrieval.index.gate import Gate
from engine.retrieval.index.vector_rows import RowsView, Vectors
from engine.retrieval.source import Mask, Rows

PIECE_ROWS: Final = 512
"""Rows put into lists while readers wait: a fifth of a millisecond."""

Lists = npt.NDArray[np.int32]


class ClusterLists:
    """Every row below `num_rows`, those without a vector as zeros. `put` and `extend` from one thread, `find` from any beside it.

    A row stays where it is as long as its vector stays nearest to the same centroid. What `find` answers was scored in 16 bits, and may
    be of rows that have no vector: the caller has the vectors themselves.
    """

    def __init__(self, centroids: Vectors) -> None:
        """Empty lists around `centroids` float32[num_lists, dim]."""
        num_lists, dim = centroids.shape
        self.centroids = np.ascontiguousarray(centroids)
        self.list_of: Lists = np.zeros(1024, np.int32)
        self._gate = Gate()
        self._quantizer = faiss.IndexFlatIP(dim)
        self._quantizer.add(self.centroids)
        precision = faiss.ScalarQuantizer.QT_fp16
        self._lists = faiss.IndexIVFScalarQuantizer(
            self._quantizer, dim, num_lists, precision, faiss.METRIC_INNER_PRODUCT, False
        )
        # 16-bit floats have nothing to be trained, and the centroids are given.
        self._lists.is_trained = True
        self._lists.set_direct_map_type(faiss.DirectMap.Array)

    @property
    def num_lists(self) -> int:
        return len(self.centroids)

    @property
    def num_rows(self) -> int:
        return int(self._lists.ntotal)

    @property
    def memory_bytes(self) -> int:
        """Of the entries: a code, an id and a place for each row; vectors that grow have up to as much again in reserve."""
        entry = int(self._lists.code_size) + 16
        return self.num_rows * entry + self.list_of.nbytes + self.centroids.nbytes

    def lists_of(self, vectors: Vectors) -> Lists:
        """int32[n]: the list of the nearest centroid."""
        nearest: Lists = (vectors @ self.centroids.T).argmax(axis=1).astype(np.int32)
        return nearest

    def extend(self, view: RowsView, max_rows: int) -> None:
        """Take in the next at most `max_rows` rows of `view`."""
        start = self.num_rows
        stop = min(len(view.present), start + max_rows)
        for first in range(start, stop, PIECE_ROWS):
            rows = np.arange(first, min(first + PIECE_ROWS, stop))
            self._append(rows, view.vectors[rows], view.present[rows])

    def put(self, rows: Rows, view: RowsView) -> None:
        """The vectors of `rows` changed, or went; rows from `num_rows` on are left to `extend`."""
        rows = rows[rows < self.num_rows]
        for first in range(0, len(rows), PIECE_ROWS):
            piece = rows[first : first + PIECE_ROWS]
            self._move(piece, view.vectors[piece], view.present[piece])

    def find(self, user: Vectors, num: int, num_probes: int, allowed: Mask | None = None) -> Rows:
        """At most `num` rows of greatest score in the `num_probes` lists whose centroids are nearest to `user` float32[dim].

        Of those where `allowed` bool[num_rows of whoever asks]; rows beyond it are not.
        """
        parameters = faiss.SearchParametersIVF(nprobe=num_probes)
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            parameters = faiss.SearchParametersIVF(nprobe=num_probes, sel=faiss.IDSelectorBitmap(bits))
        with self._gate.reading:
            _, found = self._lists.search(user[np.newaxis], num, params=parameters)
        rows: Rows = found[0][found[0] >= 0].astype(np.int32)
        return rows

    def _append(self, rows: npt.NDArray[np.int64], vectors: Vectors, present: Mask) -> None:
        lists = self._placed(rows, vectors, present)
        if rows[-1] >= self.list_of.size:
            grown = np.zeros(max(2 * self.list_of.size, int(rows[-1]) + 1), np.int32)
            grown[: self.list_of.size] = self.list_of
            self.list_of = grown
        self.list_of[rows] = lists
        targets = lists.astype(np.int64)
        # Without this the library starts threads of its own for a piece that takes no time.
        faiss.omp_set_num_threads(1)
        with self._gate.writing:
            self._lists.add_core(len(rows), faiss.swig_ptr(vectors), None, faiss.swig_ptr(targets), None)

    def _move(self, rows: Rows, vectors: Vectors, present: Mask) -> None:
        lists = self._placed(rows, vectors, present)
        codes = vectors.astype(np.float16).view(np.uint8)
        ids, targets = rows.astype(np.int64), lists.astype(np.int64)
        with self._gate.writing:
            self._lists.direct_map.update_codes(
                self._lists.invlists,
                len(rows),
                faiss.swig_ptr(ids),
                faiss.swig_ptr(targets),
                faiss.swig_ptr(codes),
            )
        self.list_of[rows] = lists

    def _placed(self, rows: npt.NDArray[np.integer], vectors: Vectors, present: Mask) -> Lists:
        """The list of each; those without a vector are spread, so that no list grows long of nothing."""
        return np.where(present, self.lists_of(vectors), rows % self.num_lists).astype(np.int32)
