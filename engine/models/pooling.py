"""Pooling of embedding rows, in TensorFlow. Everything is differentiable in `rows`."""

from __future__ import annotations

from typing import Any, Final

import tensorflow as tf

from engine.models.architecture import Sequence
from engine.spec.slot import Pooling

_SEGMENTED: Final = {
    Pooling.MEAN: tf.sparse.segment_mean,
    Pooling.SUM: tf.sparse.segment_sum,
    Pooling.SQRTN: tf.sparse.segment_sqrt_n,
}


def pool_rows(pooling: Pooling, rows: Any, indices: Any, segments: Any, *, num_slots: int, num_rows: Any) -> Any:
    """Mean, sum or sum over √n of the rows of each slot of each example; zero where there are none.

    rows float32[u, dim], indices int32[nnz], segments int32[nnz] ascending, slot by slot (`engine.models.inputs.Block`).
    Answers float32[num_slots, num_rows, dim].
    """
    pooled = _SEGMENTED[pooling](rows, indices, segments, num_segments=num_slots * num_rows)
    return tf.reshape(pooled, (num_slots, num_rows, rows.shape[-1]))


def mean_pool(rows: Any, indices: Any, segments: Any, num_slots: int, num_rows: Any) -> Any:
    """As `pool_rows`, with the mean."""
    return pool_rows(Pooling.MEAN, rows, indices, segments, num_slots=num_slots, num_rows=num_rows)


def place_rows(rows: Any, indices: Any, places: Any, length: int, num_rows: Any) -> Sequence:
    """The rows of one slot kept apart: each example's are the last of its `length` places, zeros and a false mask before them.

    rows float32[u, dim], indices int32[nnz], places int32[nnz] distinct, place p of example r being `r * length + p`.
    """
    dim = rows.shape[-1]
    where = places[:, tf.newaxis]
    values = tf.scatter_nd(where, tf.gather(rows, indices), [num_rows * length, dim])
    filled = tf.scatter_nd(where, tf.ones_like(places), [num_rows * length])
    return Sequence(tf.reshape(values, (num_rows, length, dim)), tf.reshape(filled > 0, (num_rows, length)))


def mean_of(sequence: Sequence) -> Any:
    """float32[n, dim]: the mean of what a sequence holds, zero when it is empty."""
    counts = tf.reduce_sum(tf.cast(sequence.mask, tf.float32), axis=1, keepdims=True)
    return tf.math.divide_no_nan(tf.reduce_sum(sequence.values, axis=1), counts)
