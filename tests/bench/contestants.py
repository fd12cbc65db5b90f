"""Tables of the benchmark that are called from Python, each over the same rows."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tests.bench.engine_reference import DIM, Fids, Floats, Rows

LEARNING_RATE = 0.05
INITIAL_ACCUMULATOR = 0.1


class Contestant(Protocol):
    """A batch comes with its row numbers, for who needs no lookup. Two FIDs of one `insert` differ."""

    is_called_from_threads: bool
    """Whether its two-thread figure is two Python threads; otherwise its own thread pool is what runs on two cores."""

    def insert(self, fids: Fids, vectors: Floats) -> None: ...

    def start_learning(self) -> None:
        """Makes room for accumulators, if it keeps them apart."""

    def lookup(self, fids: Fids, rows: Rows) -> Any:
        """What its users get: an array or a framework's tensor."""

    def learn(self, fids: Fids, rows: Rows, grads: Floats) -> None:
        """Sparse Adagrad, the gradients of a repeated FID summed first."""


@dataclass(frozen=True, slots=True)
class Listed:
    """`environment`: the name of its requirements file, "" for the project's own. `can_grow`: it maps keys itself."""

    title: str
    environment: str
    make: Callable[[int], Contestant]
    can_grow: bool = True


class KnownRows:
    """NumPy rows whose numbers are known, taken into an array that is there already."""

    is_called_from_threads = True

    def __init__(self, num_rows: int) -> None:
        self._vectors = np.empty((num_rows, DIM), np.float32)
        self._accumulators = np.empty((0, DIM), np.float32)
        self._num = 0
        self._outputs = Outputs()

    def insert(self, fids: Fids, vectors: Floats) -> None:
        self._vectors[self._num : self._num + len(fids)] = vectors
        self._num += len(fids)

    def start_learning(self) -> None:
        self._accumulators = np.full_like(self._vectors, INITIAL_ACCUMULATOR)

    def lookup(self, fids: Fids, rows: Rows) -> Floats:
        # mode "raise" would go through a second buffer
        return np.take(self._vectors, rows, axis=0, out=self._outputs.of(len(rows)), mode="clip")

    def learn(self, fids: Fids, rows: Rows, grads: Floats) -> None:
        distinct, inverse = np.unique(rows, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        starts = np.searchsorted(inverse[order], np.arange(len(distinct)))
        summed = np.add.reduceat(grads[order], starts, axis=0)
        accumulators = self._accumulators[distinct] + summed * summed
        self._accumulators[distinct] = accumulators
        self._vectors[distinct] -= np.float32(LEARNING_RATE) * summed / np.sqrt(accumulators)


class Outputs:
    """One array a thread and batch size, used again: a fresh one costs more than the lookup that fills it."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[int, int], Floats] = {}

    def of(self, num: int) -> Floats:
        key = (threading.get_ident(), num)
        if key not in self._arrays:
            self._arrays[key] = np.empty((num, DIM), np.float32)
        return self._arrays[key]


class Freshet:
    """`EmbeddingTable`, as the trainer uses it."""

    is_called_from_threads = True

    def __init__(self, num_rows: int) -> None:
        from engine.embedding.options import TableOptions
        from engine.embedding.table import EmbeddingTable
        from engine.spec.sparse_optimizer import SparseAdagrad

        adagrad = SparseAdagrad(initial_accumulator=INITIAL_ACCUMULATOR)
        self.table = EmbeddingTable(TableOptions(DIM, seed=17, optimizer=adagrad))
        self._outputs = Outputs()

    def insert(self, fids: Fids, vectors: Floats) -> None:
        self.table.assign(fids, np.ones(len(fids), np.uint16), vectors)

    def start_learning(self) -> None:
        self.table.forget_touched()

    def lookup(self, fids: Fids, rows: Rows) -> Floats:
        return self.table.lookup(fids, self._outputs.of(len(fids)))

    def learn(self, fids: Fids, rows: Rows, grads: Floats) -> None:
        self.table.apply_gradients(fids, grads, LEARNING_RATE)


def _later(module: str, name: str) -> Callable[[int], Contestant]:
    """A class of a module that only its own environment can import."""

    def make(num_rows: int) -> Contestant:
        contestant: Contestant = getattr(importlib.import_module(f"tests.bench.{module}"), name)(num_rows)
        return contestant

    return make


CONTESTANTS = {
    "freshet": Listed("Freshet EmbeddingTable", "", Freshet),
    "numpy_take": Listed("np.take, row numbers given", "", KnownRows, can_grow=False),
    "dense_hash_table": Listed("tf DenseHashTable", "", _later("contestants_tensorflow", "DenseHashTable")),
    "mutable_hash_table": Listed("tf MutableHashTable", "", _later("contestants_tensorflow", "MutableHashTable")),
    "tfra": Listed("TFRA 0.8.1 CuckooHashTable", "tfra", _later("contestants_tensorflow", "RecommendersAddons")),
    "torch_embedding_bag": Listed(
        "torch EmbeddingBag, row numbers given", "torch", _later("contestants_torch", "EmbeddingBag"), can_grow=False
    ),
    "fbgemm": Listed(
        "FBGEMM CPU TBE, row numbers given",
        "torch",
        _later("contestants_torch", "TableBatchedEmbedding"),
        can_grow=False,
    ),
}
