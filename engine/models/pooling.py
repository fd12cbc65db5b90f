"""Pooling of embedding rows, outside TensorFlow: a compiled step takes what is pooled and gives the gradient of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

import engine.embedding.pooling as bags
from engine.features.encoded import FloatArray
from engine.models.architecture import Sequence
from engine.models.inputs import Block, Group, IndexArray, SplitArray
from engine.spec.slot import Pooling

Mask = npt.NDArray[np.bool_]


def pool_block(
    group: Group, block: Block, rows: FloatArray, members: IndexArray, out: FloatArray | None = None
) -> FloatArray:
    """float32[n, num_slots, dim]: mean, sum or sum over the root of the number of each bag; zero where it is empty.

    `rows` float32[u, dim] of the table, `members` int32[nnz] which of them each of the table's values is. A sequence gives
    float32[n, max_values, dim]: its values in the last places. `out` is C-contiguous and of that shape.
    """
    dim, num_slots = rows.shape[1], len(group.slots)
    mine = block.of(members)
    if group.pooling is Pooling.SEQUENCE:
        length = group.slots[0].max_values
        placed = np.full((block.splits.size - 1) * length, -1, np.int32)
        placed[places(block.splits, length)] = mine
        return _pooled(bags.Pooling.SUM, rows, placed, _one_each(placed.size), (-1, length, dim), out)
    return _pooled(bags.Pooling(group.pooling), rows, mine, block.splits, (-1, num_slots, dim), out)


def pool_block_gradient(  # noqa: PLR0917 - as `pool_block` takes them
    group: Group,
    block: Block,
    gradient: FloatArray,
    members: IndexArray,
    num_rows: int,
    out: FloatArray | None = None,
) -> FloatArray:
    """float32[num_rows, dim]: the gradient of the table's rows, given that of what `pool_block` answered. `out` is of that shape."""
    flat = gradient.reshape(-1, gradient.shape[-1])
    mine = block.of(members)
    if group.pooling is Pooling.SEQUENCE:
        flat = flat[places(block.splits, group.slots[0].max_values)]
        return bags.pool_gradient(bags.Pooling.SUM, flat, mine, _one_each(mine.size), num_rows, out=out)
    return bags.pool_gradient(bags.Pooling(group.pooling), flat, mine, block.splits, num_rows, out=out)


def places(splits: SplitArray, length: int) -> SplitArray:
    """Where the values of bags stand when each has `length` places and its last value the last: int64[nnz]."""
    ends = np.arange(1, splits.size, dtype=np.int64) * length
    return np.arange(splits[-1]) + np.repeat(ends - splits[1:], np.diff(splits))


def filled(splits: SplitArray, length: int) -> Mask:
    """bool[num_bags, length]: which places hold a value."""
    mask: Mask = np.arange(length) >= length - np.diff(splits)[:, np.newaxis]
    return mask


def mean_of(sequence: Sequence) -> Any:
    """float32[n, dim]: the mean of what a sequence holds, zero when it is empty. In TensorFlow."""
    counts = tf.reduce_sum(tf.cast(sequence.mask, tf.float32), axis=1, keepdims=True)
    return tf.math.divide_no_nan(tf.reduce_sum(sequence.values, axis=1), counts)


def _one_each(num: int) -> SplitArray:
    return np.arange(num + 1, dtype=np.int64)


def _pooled(  # noqa: PLR0917 - as `bags.pool` takes them
    pooling: bags.Pooling,
    rows: FloatArray,
    members: IndexArray,
    splits: SplitArray,
    shape: tuple[int, ...],
    out: FloatArray | None,
) -> FloatArray:
    flat = None if out is None else out.reshape(-1, rows.shape[1])
    return bags.pool(pooling, rows, members, splits, out=flat).reshape(shape)
