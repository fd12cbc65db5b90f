"""Indexes of vectors behind one face: what each library can do, with settings that its documentation would have one choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from engine.retrieval.index.best import best, likely_best
from engine.retrieval.index.choice import IndexChoice
from engine.retrieval.index.gate import Gate
from engine.retrieval.index.live import LiveIndex
from engine.retrieval.source import Mask
from tests.bench.index_vectors import Vectors

Rows = npt.NDArray[np.int32]

CONNECTIVITY: Final = 16
EFFORT_WHEN_BUILDING: Final = 100
GRAPH_EFFORTS: Final = (200, 250, 300, 400, 600, 800, 1200)
LIST_SHARES: Final = (1 / 64, 1 / 48, 1 / 32, 1 / 24, 1 / 16, 1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2)


class Contestant(Protocol):
    """`efforts` are what a search may be told to spend, least first; one for those that have nothing to choose.

    `write` and `remove` are called beside `search`: each guards itself, with a gate, where its library does not.
    """

    efforts: tuple[float, ...]

    def build(self, items: Vectors) -> None: ...

    def spend(self, effort: float) -> None: ...

    def search(self, user: Vectors, num: int) -> Rows: ...

    def search_allowed(self, user: Vectors, num: int, mask: Mask) -> Rows | None:
        """None when the library has no filter."""

    def write(self, rows: Rows, vectors: Vectors) -> bool:
        """False when vectors cannot be changed."""

    def remove(self, rows: Rows) -> bool:
        """False when vectors cannot be removed."""


class Numpy:
    """A matrix times a vector in float32, and the best of the products."""

    efforts: tuple[float, ...] = (1.0,)

    def build(self, items: Vectors) -> None:
        self._items = items.copy()
        self._present = np.ones(len(items), np.bool_)

    def spend(self, effort: float) -> None:
        del effort

    def search(self, user: Vectors, num: int) -> Rows:
        scores = self._items @ user
        rows, _ = likely_best(scores, 4 * num)
        rows = rows[self._present[rows]]
        if rows.size < num:
            rows = np.flatnonzero(self._present).astype(np.int32)
        return best(rows, scores[rows], num).rows

    def search_allowed(self, user: Vectors, num: int, mask: Mask) -> Rows | None:
        rows = np.flatnonzero(mask & self._present).astype(np.int32)
        return best(rows, (self._items @ user)[rows], num).rows

    def write(self, rows: Rows, vectors: Vectors) -> bool:
        self._items[rows] = vectors
        return True

    def remove(self, rows: Rows) -> bool:
        self._present[rows] = False
        return True


class FaissFlat:
    """Exact, from vectors of fewer bits (`IndexScalarQuantizer`)."""

    efforts: tuple[float, ...] = (1.0,)

    def __init__(self, bits: str) -> None:
        import faiss

        self._faiss = faiss
        self._type = getattr(faiss.ScalarQuantizer, bits)

    def build(self, items: Vectors) -> None:
        self._index = self._faiss.IndexScalarQuantizer(items.shape[1], self._type, self._faiss.METRIC_INNER_PRODUCT)
        self._index.train(items)
        self._index.add(items)

    def spend(self, effort: float) -> None:
        del effort

    def search(self, user: Vectors, num: int) -> Rows:
        return np.asarray(self._index.search(user[np.newaxis], num)[1][0], np.int32)

    def search_allowed(self, user: Vectors, num: int, mask: Mask) -> Rows | None:
        parameters = self._faiss.SearchParameters(sel=_bitmap(self._faiss, mask))
        return _known(self._index.search(user[np.newaxis], num, params=parameters)[1][0])

    def write(self, rows: Rows, vectors: Vectors) -> bool:
        codes = self._index.sa_encode(vectors)
        size = int(self._index.sa_code_size())
        stored = self._faiss.rev_swig_ptr(self._index.codes.data(), int(self._index.ntotal) * size)
        stored.reshape(-1, size)[rows] = codes
        return True

    def remove(self, rows: Rows) -> bool:
        # It moves all that come after, and with them their numbers.
        return False


class FaissHnsw:
    """`IndexHNSWFlat`: nothing can be changed or removed."""

    efforts: tuple[float, ...] = GRAPH_EFFORTS

    def __init__(self) -> None:
        import faiss

        self._faiss = faiss

    def build(self, items: Vectors) -> None:
        self._index = self._faiss.IndexHNSWFlat(items.shape[1], CONNECTIVITY, self._faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = EFFORT_WHEN_BUILDING
        self._index.add(items)

    def spend(self, effort: float) -> None:
        self._effort = int(effort)

    def search(self, user: Vectors, num: int) -> Rows:
        parameters = self._faiss.SearchParametersHNSW(efSearch=self._effort)
        return _known(self._index.search(user[np.newaxis], num, params=parameters)[1][0])

    def search_allowed(self, user: Vectors, num: int, mask: Mask) -> Rows | None:
        parameters = self._faiss.SearchParametersHNSW(efSearch=self._effort, sel=_bitmap(self._faiss, mask))
        return _known(self._index.search(user[np.newaxis], num, params=parameters)[1][0])

    def write(self, rows: Rows, vectors: Vectors) -> bool:
        return False

    def remove(self, rows: Rows) -> bool:
        return False


class FaissLists:
    """`IndexIVFFlat`, or `IndexIVFScalarQuantizer` of fewer bits, with the library's hash map from ids to places."""

    def __init__(self, bits: str | None = None) -> None:
        import faiss

        self._faiss = faiss
        self._bits = bits
        self._gate = Gate()
        self.efforts: tuple[float, ...] = LIST_SHARES

    def build(self, items: Vectors) -> None:
        faiss, dim = self._faiss, items.shape[1]
        num_lists = int(2 ** round(np.log2(len(items)) / 2))
        self._quantizer = faiss.IndexFlatIP(dim)
        if self._bits is None:
            self._index = faiss.IndexIVFFlat(self._quantizer, dim, num_lists, faiss.METRIC_INNER_PRODUCT)
        else:
            bits = getattr(faiss.ScalarQuantizer, self._bits)
            self._index = faiss.IndexIVFScalarQuantizer(
                self._quantizer, dim, num_lists, bits, faiss.METRIC_INNER_PRODUCT, False
            )
        self._index.cp.niter, self._index.cp.max_points_per_centroid, self._index.cp.spherical = 8, 64, True
        sample = np.random.default_rng(0).choice(len(items), min(len(items), 64 * num_lists), replace=False)
        self._index.train(items[sample])
        self._index.set_direct_map_type(faiss.DirectMap.Hashtable)
        self._index.add_with_ids(items, np.arange(len(items)))

    def spend(self, effort: float) -> None:
        self._num_probes = max(1, round(effort * self._index.nlist))

    def search(self, user: Vectors, num: int) -> Rows:
        parameters = self._faiss.SearchParametersIVF(nprobe=self._num_probes)
        with self._gate.reading:
            return _known(self._index.search(user[np.newaxis], num, params=parameters)[1][0])

    def search_allowed(self, user: Vectors, num: int, mask: Mask) -> Rows | None:
        parameters = self._faiss.SearchParametersIVF(nprobe=self._num_probes, sel=_bitmap(self._faiss, mask))
        with self._gate.reading:
            return _known(self._index.search(user[np.newaxis], num, params=parameters)[1][0])

    def write(self, rows: Rows, vectors: Vectors) -> bool:
        self.remove(rows)
        with self._gate.writing:
            self._index.add_with_ids(vectors, rows.astype(np.int64))
        return True

    def remove(self, rows: Rows) -> bool:
        with self._gate.writing:
            self._index.remove_ids(self._faiss.IDSelectorArray(rows.astype(np.int64)))
        return True


class Hnswlib:
    """hnswlib, whose searches must not meet its writes, and whose filter is a call of Python for each item it comes by."""

    efforts: tuple[float, ...] = GRAPH_EFFORTS

    def __init__(self) -> None:
        import hnswlib

        self._library = hnswlib
        self._gate = Gate()

    def build(self, items: Vectors) -> None:
        self._index = self._library.Index(space="ip", dim=items.shape[1])
        self._index.init_index(len(items), M=CONNECTIVITY, ef_construction=EFFORT_WHEN_BUILDING)
        self._index.add_items(items, np.arange(len(items)), num_threads=1)

    def spend(self, effort: float) -> None:
        self._index.set_ef(int(effort))

    def search(self, user: Vectors, num: int) -> Rows:
        with self._gate.reading:
            return np.asarray(self._index.knn_query(user, num, num_threads=1)[0][0], np.int32)

    def search_allowed(self, user: Vectors, num: int, mask: Mask) -> Rows | None:
        allows: Callable[[int], bool] = mask.tolist().__getitem__
        with self._gate.reading:
            try:
                return np.asarray(self._index.knn_query(user, num, num_threads=1, filter=allows)[0][0], np.int32)
            except RuntimeError:
                # It says so when it comes by fewer than were asked for, and answers none of them.
                return np.empty(0, np.int32)

    def write(self, rows: Rows, vectors: Vectors) -> bool:
        for start in range(0, len(rows), 32):
            with self._gate.writing:
                self._index.add_items(vectors[start : start + 32], rows[start : start + 32], num_threads=1)
        return True

    def remove(self, rows: Rows) -> bool:
        with self._gate.writing:
            for row in rows.tolist():
                self._index.mark_deleted(row)
        return True


class Usearch:
    """usearch's graph, or with `exact` a look at every vector; both guard themselves, and neither has a filter in Python."""

    def __init__(self, dtype: str, *, exact: bool) -> None:
        from usearch.index import Index

        self._make: Any = Index
        self._dtype = dtype
        self._exact = exact
        self.efforts: tuple[float, ...] = (1.0,) if exact else GRAPH_EFFORTS

    def build(self, items: Vectors) -> None:
        self._index = self._make(
            ndim=items.shape[1],
            metric="cos",
            dtype=self._dtype,
            connectivity=CONNECTIVITY,
            # A graph that nobody will walk is made with as little trouble as can be.
            expansion_add=1 if self._exact else EFFORT_WHEN_BUILDING,
        )
        self._index.add(np.arange(len(items)), items, threads=1)

    def spend(self, effort: float) -> None:
        self._index.expansion_search = int(effort)

    def search(self, user: Vectors, num: int) -> Rows:
        return np.asarray(self._index.search(user, num, threads=1, exact=self._exact).keys, np.int32)

    def search_allowed(self, user: Vectors, num: int, mask: Mask) -> Rows | None:
        return None

    def write(self, rows: Rows, vectors: Vectors) -> bool:
        self._index.remove(rows, threads=1)
        self._index.add(rows, vectors, threads=1)
        return True

    def remove(self, rows: Rows) -> bool:
        self._index.remove(rows, threads=1)
        return True


class Ours:
    """`engine.retrieval.index.live.LiveIndex`: exact while small, through faiss's lists when grown. It sets its effort itself."""

    efforts: tuple[float, ...] = (1.0,)

    def __init__(self, choice: IndexChoice | None = None) -> None:
        self._choice = choice or IndexChoice()

    def build(self, items: Vectors) -> None:
        self.index = LiveIndex(items.shape[1], self._choice)
        self.index.write(np.arange(len(items), dtype=np.int32), items)
        while self.index.maintain():
            continue

    def spend(self, effort: float) -> None:
        del effort

    def search(self, user: Vectors, num: int) -> Rows:
        return self.index.search(user, num).rows

    def search_allowed(self, user: Vectors, num: int, mask: Mask) -> Rows | None:
        return self.index.search(user, num, Only(mask)).rows

    def write(self, rows: Rows, vectors: Vectors) -> bool:
        self.index.write(rows, vectors)
        self.index.maintain()
        return True

    def remove(self, rows: Rows) -> bool:
        self.index.remove(rows)
        return True


class Only:
    """`engine.retrieval.source.Allowed`: the rows of a mask."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def keep(self, rows: Rows) -> Mask:
        kept: Mask = self._mask[rows]
        return kept

    def mask(self) -> Mask:
        return self._mask

    def mask_if_ready(self) -> Mask | None:
        return None


CONTESTANTS: Final[dict[str, Callable[[], Contestant]]] = {
    "exact, NumPy float32": Numpy,
    "exact, faiss float16": lambda: FaissFlat("QT_fp16"),
    "exact, faiss int8": lambda: FaissFlat("QT_8bit"),
    "exact, usearch float16": lambda: Usearch("f16", exact=True),
    "exact, usearch int8": lambda: Usearch("i8", exact=True),
    "lists, faiss float32": FaissLists,
    "lists, faiss float16": lambda: FaissLists("QT_fp16"),
    "lists, faiss int8": lambda: FaissLists("QT_8bit"),
    "graph, faiss": FaissHnsw,
    "graph, hnswlib": Hnswlib,
    "graph, usearch": lambda: Usearch("f32", exact=False),
    "graph, usearch int8": lambda: Usearch("i8", exact=False),
    "Freshet's": Ours,
}


def _bitmap(faiss: Any, mask: Mask) -> Any:
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))


def _known(found: npt.NDArray[np.int64]) -> Rows:
    return found[found >= 0].astype(np.int32)
