"""Tables that a batch of FIDs can be looked up in and learned into, each over the same rows."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.embedding.table import EmbeddingTable, Fids, Floats

LEARNING_RATE = 0.05
INITIAL_ACCUMULATOR = 0.1
PIECE = 2**20

RowNumbers = NDArray[np.int64]


class Contestant(Protocol):
    """Holds `vectors` float32[n, dim] under `fids` uint64[n]. A batch comes with its row numbers, for who needs no lookup."""

    def lookup(self, fids: Fids, rows: RowNumbers) -> Floats: ...

    def learn(self, fids: Fids, rows: RowNumbers, grads: Floats) -> None:
        """Sparse Adagrad, the gradients of a repeated FID summed first."""


class Gather:
    """The floor: rows whose places are known, taken by NumPy into an array that is there already."""

    def __init__(self, fids: Fids, vectors: Floats) -> None:
        del fids  # known rows need none
        self._vectors = vectors.copy()
        self._accumulators = np.full_like(vectors, INITIAL_ACCUMULATOR)
        self._out = np.empty((0, vectors.shape[1]), np.float32)

    def lookup(self, fids: Fids, rows: RowNumbers) -> Floats:
        del fids
        if len(self._out) != len(rows):
            self._out = np.empty((len(rows), self._vectors.shape[1]), np.float32)
        # mode "raise" would go through a second buffer
        return np.take(self._vectors, rows, axis=0, out=self._out, mode="clip")

    def learn(self, fids: Fids, rows: RowNumbers, grads: Floats) -> None:
        del fids
        distinct, inverse = np.unique(rows, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        starts = np.searchsorted(inverse[order], np.arange(len(distinct)))
        summed = np.add.reduceat(grads[order], starts, axis=0)
        accumulators = self._accumulators[distinct] + summed * summed
        self._accumulators[distinct] = accumulators
        self._vectors[distinct] -= np.float32(LEARNING_RATE) * summed / np.sqrt(accumulators)


class DictTable(Gather):
    """A Python dict from FID to row number, over NumPy rows."""

    def __init__(self, fids: Fids, vectors: Floats) -> None:
        super().__init__(fids, vectors)
        self._row_of = dict(zip(fids.tolist(), range(len(fids)), strict=True))

    def lookup(self, fids: Fids, rows: RowNumbers) -> Floats:
        del rows
        return super().lookup(fids, self._rows(fids))

    def learn(self, fids: Fids, rows: RowNumbers, grads: Floats) -> None:
        del rows
        super().learn(fids, self._rows(fids), grads)

    def _rows(self, fids: Fids) -> RowNumbers:
        row_of = self._row_of
        return np.fromiter((row_of[fid] for fid in fids.tolist()), np.int64, len(fids))


class Engine:
    """`EmbeddingTable`, as the trainer uses it."""

    def __init__(self, fids: Fids, vectors: Floats) -> None:
        self.table = EmbeddingTable(vectors.shape[1], seed=17, init_scale=0.01, initial_accumulator=INITIAL_ACCUMULATOR)
        self._out = np.empty((0, vectors.shape[1]), np.float32)
        for start in range(0, len(fids), PIECE):
            piece = slice(start, start + PIECE)
            self.table.assign(fids[piece], np.ones(len(fids[piece]), np.uint16), vectors[piece])
        self.table.forget_touched()

    def lookup(self, fids: Fids, rows: RowNumbers) -> Floats:
        del rows
        if len(self._out) != len(fids):
            self._out = np.empty((len(fids), self.table.dim), np.float32)
        return self.table.lookup(fids, self._out)

    def learn(self, fids: Fids, rows: RowNumbers, grads: Floats) -> None:
        del rows
        self.table.apply_gradients(fids, grads, LEARNING_RATE)


class TensorFlowTable:
    """A `tf.lookup.experimental` table of vectors and one of accumulators: its values have no second field."""

    def __init__(self, fids: Fids, vectors: Floats, *, dense: bool) -> None:
        import tensorflow as tf

        def table(value: float) -> Any:
            default = tf.constant([value] * vectors.shape[1], tf.float32)
            if not dense:
                return tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, default)
            return tf.lookup.experimental.DenseHashTable(
                tf.int64, tf.float32, default, empty_key=-1, deleted_key=-2, initial_num_buckets=_buckets(len(fids))
            )

        self._vectors, self._accumulators = table(0.0), table(INITIAL_ACCUMULATOR)
        full = np.full((PIECE, vectors.shape[1]), INITIAL_ACCUMULATOR, np.float32)
        for start in range(0, len(fids), PIECE):
            keys = tf.constant(fids[start : start + PIECE].view(np.int64))
            self._vectors.insert(keys, tf.constant(vectors[start : start + PIECE]))
            self._accumulators.insert(keys, tf.constant(full[: len(keys)]))
        keys_like, rows_like = tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, vectors.shape[1]], tf.float32)
        self._lookup = tf.function(self._vectors.lookup, input_signature=[keys_like], autograph=False)
        self._step = tf.function(self._learned, input_signature=[keys_like, rows_like], autograph=False)

    def _learned(self, keys: Any, grads: Any) -> Any:
        import tensorflow as tf

        distinct, inverse = tf.unique(keys, out_idx=tf.int64)
        summed = tf.math.unsorted_segment_sum(grads, inverse, tf.size(distinct))
        accumulators = self._accumulators.lookup(distinct) + summed * summed
        vectors = self._vectors.lookup(distinct) - LEARNING_RATE * summed / tf.sqrt(accumulators)
        with tf.control_dependencies(
            [self._accumulators.insert(distinct, accumulators), self._vectors.insert(distinct, vectors)]
        ):
            return tf.size(distinct)

    def lookup(self, fids: Fids, rows: RowNumbers) -> Floats:
        del rows
        found: Floats = self._lookup(fids.view(np.int64)).numpy()
        return found

    def learn(self, fids: Fids, rows: RowNumbers, grads: Floats) -> None:
        del rows
        self._step(fids.view(np.int64), grads)


def _buckets(num_rows: int) -> int:
    """A power of two with room for all rows at the table's own load limit of 0.8, so that it never grows while measured."""
    return 1 << int(num_rows / 0.8).bit_length()
