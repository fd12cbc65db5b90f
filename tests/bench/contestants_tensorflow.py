"""Hash tables of TensorFlow and of TensorFlow Recommenders Addons. Their values have no second field, so that vectors and
accumulators are two tables."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import tensorflow as tf

from tests.bench.contestants import INITIAL_ACCUMULATOR, LEARNING_RATE
from tests.bench.engine_reference import DIM, Fids, Floats, Rows


class TensorFlowTable(ABC):
    """Lookup, and a compiled step: repeats summed, both tables looked up, both inserted into."""

    is_called_from_threads = False

    def __init__(self, num_rows: int) -> None:
        self._vectors = self.table(0.0)
        # a key that it does not hold answers the initial accumulator, so none need be put in before the first step
        self._accumulators = self.table(INITIAL_ACCUMULATOR)
        keys_like, rows_like = tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, DIM], tf.float32)
        self._lookup = tf.function(self._vectors.lookup, input_signature=[keys_like], autograph=False)
        self._insert = tf.function(self._inserted, input_signature=[keys_like, rows_like], autograph=False)
        self._step = tf.function(self._learned, input_signature=[keys_like, rows_like], autograph=False)
        self._keys: list[Fids] = []

    @abstractmethod
    def table(self, default: float) -> Any: ...

    def insert(self, fids: Fids, vectors: Floats) -> None:
        self._keys.append(fids.copy())
        self._insert(fids.view(np.int64), vectors)

    def start_learning(self) -> None:
        """Every key has an accumulator, so that a measured step inserts over existing ones only."""
        for fids in self._keys:
            full = np.full((len(fids), DIM), INITIAL_ACCUMULATOR, np.float32)
            self._accumulators.insert(tf.constant(fids.view(np.int64)), tf.constant(full))
        self._keys = []

    def lookup(self, fids: Fids, rows: Rows) -> Any:
        return self._lookup(fids.view(np.int64))

    def learn(self, fids: Fids, rows: Rows, grads: Floats) -> None:
        self._step(fids.view(np.int64), grads)

    def _inserted(self, keys: Any, vectors: Any) -> Any:
        with tf.control_dependencies([self._vectors.insert(keys, vectors)]):
            return tf.size(keys)

    def _learned(self, keys: Any, grads: Any) -> Any:
        distinct, inverse = tf.unique(keys, out_idx=tf.int64)
        summed = tf.math.unsorted_segment_sum(grads, inverse, tf.size(distinct))
        accumulators = self._accumulators.lookup(distinct) + summed * summed
        vectors = self._vectors.lookup(distinct) - LEARNING_RATE * summed / tf.sqrt(accumulators)
        with tf.control_dependencies(
            [self._accumulators.insert(distinct, accumulators), self._vectors.insert(distinct, vectors)]
        ):
            return tf.size(distinct)


class MutableHashTable(TensorFlowTable):
    def table(self, default: float) -> Any:
        return tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, tf.fill([DIM], default))


class DenseHashTable(TensorFlowTable):
    def table(self, default: float) -> Any:
        return tf.lookup.experimental.DenseHashTable(
            tf.int64, tf.float32, tf.fill([DIM], default), empty_key=-1, deleted_key=-2
        )


class RecommendersAddons(TensorFlowTable):
    """Its CuckooHashTable, which is what its dynamic embedding variables are made of on a CPU."""

    def table(self, default: float) -> Any:
        addons = importlib.import_module("tensorflow_recommenders_addons")
        return addons.dynamic_embedding.CuckooHashTable(tf.int64, tf.float32, default_value=tf.fill([DIM], default))
