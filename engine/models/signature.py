"""The inputs of compiled functions: their shapes, where they come from, what becomes of them inside. Every size that varies is None,
so nothing is traced twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from engine.embedding.store import ModelStore
from engine.features.encoded import EncodedBatch, FloatArray
from engine.models.architecture import Inputs, Sequence
from engine.models.handover import FloatBuffers, tensor_of
from engine.models.inputs import Group, IndexArray, InputLayout, SideBatch, SparseBatch
from engine.models.pooling import filled, mean_of, pool_block
from engine.spec.definition import Side
from engine.spec.slot import Pooling

Rows = Mapping[str, FloatArray]
"""Rows of each table by its name: float32[u, dim]."""


def side_signature(layout: InputLayout, side: Side) -> dict[str, Any]:
    """One side's pooled slots and dense inputs, as `side_tensors` gives them."""
    groups = layout.groups(side)
    return {
        "pooled": {
            group.name: tf.TensorSpec([None, _width(group), layout.tables[group.table]], tf.float32) for group in groups
        },
        "masks": {
            group.name: tf.TensorSpec([None, _width(group)], tf.bool)
            for group in groups
            if group.pooling is Pooling.SEQUENCE
        },
        "dense": tf.TensorSpec([None, len(layout.dense_indices(side))], tf.float32),
    }


def side_tensors(  # noqa: PLR0917 - what the batch is made of
    layout: InputLayout,
    side: Side,
    batch: SideBatch,
    rows: Rows,
    members: Mapping[str, IndexArray],
    buffers: FloatBuffers | None = None,
) -> dict[str, Any]:
    """`members` int32[nnz] by table: which of the table's rows each of its values is.

    With `buffers` the tensors share their memory, until the next call with the same ones.
    """
    blocks = [(group, batch.blocks[group.name]) for group in layout.groups(side)]
    pooled = {}
    for group, block in blocks:
        table = rows[group.table]
        shape = (batch.num_rows, _width(group), table.shape[1])
        out = None if buffers is None else buffers.of(f"{side}.{group.name}", shape)
        pooled[group.name] = tensor_of(pool_block(group, block, table, members[group.table], out))
    return {
        "pooled": pooled,
        "masks": {
            group.name: tf.convert_to_tensor(filled(block.splits, _width(group)))
            for group, block in blocks
            if group.pooling is Pooling.SEQUENCE
        },
        "dense": tf.convert_to_tensor(batch.dense),
    }


def _width(group: Group) -> int:
    return group.slots[0].max_values if group.pooling is Pooling.SEQUENCE else len(group.slots)


def lookup_rows(store: ModelStore, batch: SparseBatch) -> tuple[dict[str, FloatArray], dict[str, IndexArray]]:
    """A row for each value of each table, zeros for FIDs without one; and the members that say so."""
    rows = {table: store.tables[table].lookup(each.fids) for table, each in batch.values.items()}
    return rows, {table: np.arange(len(each), dtype=np.int32) for table, each in batch.values.items()}


def by_side(
    layout: InputLayout, user: EncodedBatch, items: EncodedBatch, pairs: EncodedBatch | None
) -> dict[Side, EncodedBatch]:
    """The sides that the layout has. Raises ValueError when it has inputs of pairs and there is no such batch."""
    if Side.PAIR not in layout.sides:
        return {Side.USER: user, Side.ITEM: items}
    if pairs is None:
        raise ValueError("pairs: the definition has inputs of user and item together; received nothing")
    return {Side.USER: user, Side.ITEM: items, Side.PAIR: pairs}


def side_inputs(layout: InputLayout, side: Side, tensors: dict[str, Any]) -> Inputs:
    """Embeddings and sequences of every slot of the side, and its dense inputs. Runs inside a compiled function."""
    slots: dict[str, Any] = {}
    sequences: dict[str, Sequence] = {}
    for group in layout.groups(side):
        pooled = tensors["pooled"][group.name]
        if group.pooling is Pooling.SEQUENCE:
            name = group.slots[0].name
            sequences[name] = Sequence(pooled, tensors["masks"][group.name])
            slots[name] = mean_of(sequences[name])
        else:
            slots |= {slot.name: each for slot, each in zip(group.slots, tf.unstack(pooled, axis=1), strict=True)}
    stacked = None
    if layout.is_one_block(side):
        stacked = tensors["pooled"][layout.groups(side)[0].name]
    return Inputs(slots, tensors["dense"], sequences, stacked)


def pair_inputs(  # noqa: PLR0917 - the sides in their order
    layout: InputLayout,
    user: Inputs,
    items: Inputs,
    user_rows: Any | None,
    item_rows: Any | None,
    pairs: Inputs | None = None,
) -> Inputs:
    """Inputs of p pairs: row `user_rows[i]` of the user side beside row `item_rows[i]` of the item side; int32[p] each.

    Both None when the rows of both sides are the pairs already. `pairs` has what is of the pairs themselves, p rows; a definition
    without such inputs needs none.
    """
    if user_rows is not None:
        user, items = _taken(user, user_rows), _taken(items, item_rows)
    sides = [user, items] if pairs is None else [user, items, pairs]
    found = {name: each for side in sides for name, each in side.slots.items()}
    sequences = {name: each for side in sides for name, each in side.sequences.items()}
    stacked = None
    if layout.is_in_order and all(side.stacked is not None for side in sides):
        stacked = tf.concat([side.stacked for side in sides], axis=1)
    slots = {slot.name: found[slot.name] for slot in layout.definition.slots}
    return Inputs(slots, tf.concat([side.dense for side in sides], axis=1), sequences, stacked)


def _taken(side: Inputs, rows: Any) -> Inputs:
    """The inputs of some of a side's rows."""
    sequences = {
        name: Sequence(tf.gather(each.values, rows), tf.gather(each.mask, rows))
        for name, each in side.sequences.items()
    }
    dense = tf.gather(side.dense, rows)
    if side.stacked is None:
        return Inputs({name: tf.gather(each, rows) for name, each in side.slots.items()}, dense, sequences)
    stacked = tf.gather(side.stacked, rows)
    slots = dict(zip(side.slots, tf.unstack(stacked, axis=1), strict=True))
    return Inputs(slots, dense, sequences, stacked)
