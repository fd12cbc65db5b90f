"""DeepFM over hashed ids as one would write it without Freshet: plain Keras, and TensorFlow by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tests.bench.criteo_like import CARDINALITIES, NUM_DENSE, NUM_SLOTS, Batch

Ids = NDArray[np.int32]

MAX_BUCKETS = 2**17
TABLE_ROWS = 4_000_000


class DeepFM:
    """First-order, factorization machine and network over embeddings [n, slots, dim], as `engine/models/deepfm.py`."""

    def __init__(self, dim: int, hidden: list[int]) -> None:
        width = NUM_SLOTS * dim + NUM_DENSE
        self._width = NUM_SLOTS * dim
        self._first_order = keras.layers.Dense(1)
        self._network = [keras.layers.Dense(units, activation="relu") for units in hidden] + [keras.layers.Dense(1)]
        for layer, num_inputs in zip([self._first_order, *self._network], [width, width, *hidden], strict=True):
            layer.build((None, num_inputs))

    @property
    def weights(self) -> list[Any]:
        return [weight for layer in [self._first_order, *self._network] for weight in layer.trainable_variables]

    def loss(self, embeddings: Any, dense: Any, labels: Any) -> Any:
        """The sum over the batch, which moves an embedding as far for one click in a large batch as in a small one."""
        total = tf.reduce_sum(embeddings, axis=1)
        second_order = 0.5 * tf.reduce_sum(total * total - tf.reduce_sum(embeddings * embeddings, axis=1), axis=1)
        flat = tf.concat([tf.reshape(embeddings, (-1, self._width)), dense], axis=1)
        deep = flat
        for layer in self._network:
            deep = layer(deep)
        logits = tf.squeeze(self._first_order(flat) + deep, axis=1) + second_order
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))


class KerasPeer:
    """26 `Embedding` layers of hashed ids and Keras' Adagrad, in a compiled step."""

    def __init__(self, dim: int, hidden: list[int]) -> None:
        self._buckets = np.minimum(np.array(CARDINALITIES), MAX_BUCKETS)
        self._embeddings = [keras.layers.Embedding(int(buckets), dim) for buckets in self._buckets]
        for layer in self._embeddings:
            layer.build(None)
        self._model = DeepFM(dim, hidden)
        self._optimizer = keras.optimizers.Adagrad(learning_rate=0.01)
        self._variables = [layer.trainable_variables[0] for layer in self._embeddings] + self._model.weights
        self._optimizer.build(self._variables)
        self._step = tf.function(self._learned, autograph=False, reduce_retracing=True)

    def prepared(self, batch: Batch) -> tuple[Any, ...]:
        hashed: Ids = (batch.ids % self._buckets).astype(np.int32)
        return tuple(tf.constant(each) for each in (hashed, batch.dense, batch.labels))

    def learn(self, prepared: tuple[Any, ...]) -> float:
        """The mean loss of the batch before the update."""
        return float(self._step(*prepared)) / len(prepared[2])

    def _learned(self, ids: Any, dense: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            rows = tf.stack([layer(ids[:, slot]) for slot, layer in enumerate(self._embeddings)], axis=1)
            loss = self._model.loss(rows, dense, labels)
        values = [variable.value for variable in self._variables]
        self._optimizer.apply(tape.gradient(loss, values), self._variables)
        return loss


class TensorFlowPeer:
    """One variable of hashed ids, each id gathered once, and TensorFlow's own sparse Adagrad on the rows touched."""

    def __init__(self, dim: int, hidden: list[int]) -> None:
        random = np.random.default_rng(17)
        self._table = tf.Variable(random.uniform(-0.01, 0.01, (TABLE_ROWS, dim)).astype(np.float32))
        self._accumulators = tf.Variable(tf.fill([TABLE_ROWS, dim], 0.1))
        self._model = DeepFM(dim, hidden)
        self._dense = [weight.value for weight in self._model.weights]
        self._dense_accumulators = [tf.Variable(tf.fill(weight.shape, 0.1)) for weight in self._dense]
        self._step = tf.function(self._learned, autograph=False, reduce_retracing=True)

    def prepared(self, batch: Batch) -> tuple[Any, ...]:
        mixed = (batch.ids * NUM_SLOTS + np.arange(NUM_SLOTS)).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        hashed: Ids = ((mixed >> np.uint64(32)) % np.uint64(TABLE_ROWS)).astype(np.int32)
        return tuple(tf.constant(each) for each in (hashed, batch.dense, batch.labels))

    def learn(self, prepared: tuple[Any, ...]) -> float:
        """The mean loss of the batch before the update."""
        return float(self._step(*prepared)) / len(prepared[2])

    def _learned(self, ids: Any, dense: Any, labels: Any) -> Any:
        distinct, inverse = tf.unique(tf.reshape(ids, [-1]))
        rows = tf.gather(self._table, distinct)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            embeddings = tf.reshape(tf.gather(rows, inverse), (-1, NUM_SLOTS, rows.shape[-1]))
            loss = self._model.loss(embeddings, dense, labels)
        row_gradients, dense_gradients = tape.gradient(loss, (rows, self._dense))
        tf.raw_ops.ResourceSparseApplyAdagradV2(
            var=self._table.handle,
            accum=self._accumulators.handle,
            lr=0.05,
            epsilon=0.0,
            grad=tf.convert_to_tensor(row_gradients),
            indices=distinct,
        )
        for weight, accumulator, gradient in zip(self._dense, self._dense_accumulators, dense_gradients, strict=True):
            tf.raw_ops.ResourceApplyAdagradV2(
                var=weight.handle, accum=accumulator.handle, lr=0.01, epsilon=1e-7, grad=gradient
            )
        return loss
