"""DeepFM in TensorFlow without Freshet: plain Keras, by hand over hashed ids, and over TensorFlow Recommenders Addons' table."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.bench.criteo_like import NUM_SLOTS, Batch, Ids, cardinalities
from tests.bench.training_setting import (
    DENSE_RATE,
    DIM,
    EMBEDDING_RATE,
    INITIAL_ACCUMULATOR,
    LAYERS,
    TABLE_ROWS,
    WIDTH,
    Learner,
    hashed_rows,
    initial_table,
)

PIECE_IDS = 65_536
MAX_BUCKETS = 2**17
"""A column's in Keras, whose step takes longer the more rows there are."""


class Affine:
    """x W + b. TensorFlow Recommenders Addons changes Keras, after which its layers cannot be made any more."""

    def __init__(self, num_inputs: int, units: int) -> None:
        limit = (6.0 / (num_inputs + units)) ** 0.5
        self._kernel = tf.Variable(tf.random.uniform((num_inputs, units), -limit, limit, seed=units))
        self._bias = tf.Variable(tf.zeros([units]))
        self.trainable_variables = [self._kernel, self._bias]

    def __call__(self, values: Any) -> Any:
        return tf.nn.bias_add(tf.matmul(values, self._kernel), self._bias)


def keras_layer(num_inputs: int, units: int) -> Any:
    layer = keras.layers.Dense(units)
    layer.build((None, num_inputs))
    return layer


class DeepFM:
    """First-order, factorization machine and network over embeddings [n, slots, dim], as `engine/models/deepfm.py`."""

    def __init__(self, layer: Callable[[int, int], Any]) -> None:
        tf.random.set_seed(17)
        self._first_order = layer(WIDTH, 1)
        self._network = [layer(*shape) for shape in LAYERS]
        layers = [self._first_order, *self._network]
        self.weights = [weight for each in layers for weight in each.trainable_variables]

    def loss(self, embeddings: Any, dense: Any, labels: Any) -> Any:
        """The sum over the batch, which moves an embedding as far for one click in a large batch as in a small one."""
        total = tf.reduce_sum(embeddings, axis=1)
        second_order = 0.5 * tf.reduce_sum(total * total - tf.reduce_sum(embeddings * embeddings, axis=1), axis=1)
        flat = tf.concat([tf.reshape(embeddings, (-1, NUM_SLOTS * DIM)), dense], axis=1)
        deep = flat
        for layer in self._network[:-1]:
            deep = tf.nn.relu(layer(deep))
        logits = tf.squeeze(self._first_order(flat) + self._network[-1](deep), axis=1) + second_order
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))


class KerasPeer(Learner):
    """26 `Embedding` layers of hashed ids and Keras' Adagrad, in a compiled step."""

    def __init__(self, ids: Ids) -> None:
        self._buckets = np.minimum(cardinalities(ids), MAX_BUCKETS)
        self._embeddings = [
            keras.layers.Embedding(int(buckets), DIM, keras.initializers.RandomUniform(-0.01, 0.01))
            for buckets in self._buckets
        ]
        for layer in self._embeddings:
            layer.build(None)
        self._model = DeepFM(keras_layer)
        self._rows = [layer.trainable_variables[0] for layer in self._embeddings]
        self._optimizers = {
            rate: keras.optimizers.Adagrad(rate, initial_accumulator_value=INITIAL_ACCUMULATOR)
            for rate in (EMBEDDING_RATE, DENSE_RATE)
        }
        self._optimizers[EMBEDDING_RATE].build(self._rows)
        self._optimizers[DENSE_RATE].build(self._model.weights)
        self._step = tf.function(self._learned, autograph=False, reduce_retracing=True)

    def prepared(self, batch: Batch) -> tuple[Any, ...]:
        hashed = (batch.ids % self._buckets).astype(np.int32)
        return tuple(tf.constant(each) for each in (hashed, batch.dense, batch.labels))

    def learn(self, prepared: tuple[Any, ...]) -> float:
        """The mean loss of the batch before the update."""
        return float(self._step(*prepared)) / len(prepared[2])

    def _learned(self, ids: Any, dense: Any, labels: Any) -> Any:
        weights = self._model.weights
        with tf.GradientTape() as tape:
            rows = tf.stack([layer(ids[:, slot]) for slot, layer in enumerate(self._embeddings)], axis=1)
            loss = self._model.loss(rows, dense, labels)
        of_rows, of_weights = tape.gradient(loss, ([row.value for row in self._rows], [each.value for each in weights]))
        self._optimizers[EMBEDDING_RATE].apply(of_rows, self._rows)
        self._optimizers[DENSE_RATE].apply(of_weights, weights)
        return loss


class DistinctRows(Learner):
    """Each id is taken once, the network learns by TensorFlow's own Adagrad; where rows live is the subclass's."""

    def __init__(self) -> None:
        self._model = DeepFM(Affine)
        self._dense = self._model.weights
        self._dense_accumulators = [tf.Variable(tf.fill(weight.shape, INITIAL_ACCUMULATOR)) for weight in self._dense]
        self._step = tf.function(self._learned, autograph=False, reduce_retracing=True)

    def learn(self, prepared: tuple[Any, ...]) -> float:
        """The mean loss of the batch before the update."""
        return float(self._step(*prepared)) / len(prepared[2])

    def _learned(self, ids: Any, dense: Any, labels: Any) -> Any:
        distinct, inverse = tf.unique(tf.reshape(ids, [-1]))
        rows = self._taken(distinct)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            embeddings = tf.reshape(tf.gather(rows, inverse), (-1, NUM_SLOTS, DIM))
            loss = self._model.loss(embeddings, dense, labels)
        of_rows, of_weights = tape.gradient(loss, (rows, self._dense))
        self._update(distinct, rows, tf.convert_to_tensor(of_rows))
        for weight, accumulator, gradient in zip(self._dense, self._dense_accumulators, of_weights, strict=True):
            tf.raw_ops.ResourceApplyAdagradV2(
                var=weight.handle, accum=accumulator.handle, lr=DENSE_RATE, epsilon=1e-7, grad=gradient
            )
        return loss

    @abstractmethod
    def _taken(self, distinct: Any) -> Any:
        """float32[num_distinct, 16]."""

    @abstractmethod
    def _update(self, distinct: Any, rows: Any, gradients: Any) -> None:
        """Adagrad on the rows that were taken."""


class TensorFlowPeer(DistinctRows):
    """One variable of hashed ids, and TensorFlow's own sparse Adagrad."""

    def __init__(self, ids: Ids) -> None:
        super().__init__()
        self._table = tf.Variable(initial_table(TABLE_ROWS))
        self._accumulators = tf.Variable(tf.fill([TABLE_ROWS, DIM], INITIAL_ACCUMULATOR))

    def prepared(self, batch: Batch) -> tuple[Any, ...]:
        hashed = hashed_rows(batch).astype(np.int32)
        return tuple(tf.constant(each) for each in (hashed, batch.dense, batch.labels))

    def _taken(self, distinct: Any) -> Any:
        return tf.gather(self._table, distinct)

    def _update(self, distinct: Any, rows: Any, gradients: Any) -> None:
        tf.raw_ops.ResourceSparseApplyAdagradV2(
            var=self._table.handle,
            accum=self._accumulators.handle,
            lr=EMBEDDING_RATE,
            epsilon=0.0,
            grad=gradients,
            indices=distinct,
        )


class AddonsPeer(DistinctRows):
    """TensorFlow Recommenders Addons' CuckooHashTable, one for the vectors and one for Adagrad, as its optimizers keep them."""

    def __init__(self, ids: Ids) -> None:
        super().__init__()
        addons = importlib.import_module("tensorflow_recommenders_addons").dynamic_embedding
        self._vectors, self._accumulators = (
            addons.CuckooHashTable(tf.int64, tf.float32, default_value=tf.fill([DIM], default))
            for default in (0.0, INITIAL_ACCUMULATOR)
        )

    def prepared(self, batch: Batch) -> tuple[Any, ...]:
        keys = batch.ids * NUM_SLOTS + np.arange(NUM_SLOTS)
        return tuple(tf.constant(each) for each in (keys, batch.dense, batch.labels))

    def fill(self, ids: Ids) -> None:
        vectors = initial_table(PIECE_IDS)
        accumulators = np.full_like(vectors, INITIAL_ACCUMULATOR)
        for slot, count in enumerate(cardinalities(ids)):
            for start in range(0, int(count), PIECE_IDS):
                keys = np.arange(start, min(start + PIECE_IDS, int(count))) * NUM_SLOTS + slot
                self._vectors.insert(keys, vectors[: len(keys)])
                self._accumulators.insert(keys, accumulators[: len(keys)])

    def _taken(self, distinct: Any) -> Any:
        """A key that is not there begins at random, which the sparse Adagrad below then writes."""
        shape = tf.stack([tf.size(distinct), DIM])
        return self._vectors.lookup(distinct, dynamic_default_values=tf.random.uniform(shape, -0.01, 0.01))

    def _update(self, distinct: Any, rows: Any, gradients: Any) -> None:
        accumulators = self._accumulators.lookup(distinct) + gradients * gradients
        self._accumulators.insert(distinct, accumulators)
        self._vectors.insert(distinct, rows - EMBEDDING_RATE * gradients * tf.math.rsqrt(accumulators))
