"""The shapes that compiled functions take, and pooling a side inside them. Every size that varies is None, so nothing is traced twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from engine.embedding.store import ModelStore
from engine.features.encoded import EncodedBatch
from engine.models.architecture import Inputs, Sequence
from engine.models.inputs import IndexArray, InputLayout, SideBatch, SparseBatch
from engine.models.pooling import mean_of, place_rows, pool_rows
from engine.spec.definition import ModelDefinition, Side
from engine.spec.slot import Pooling


def rows_signature(layout: InputLayout) -> dict[str, Any]:
    """Embedding rows by table: float32[u, dim]."""
    return {table: tf.TensorSpec([None, dim], tf.float32) for table, dim in layout.tables.items()}


def side_signature(layout: InputLayout, side: Side) -> dict[str, Any]:
    """One side's blocks and dense inputs, as `side_tensors` gives them."""
    groups = [group.name for group in layout.groups(side)]
    return {
        "indices": {name: tf.TensorSpec([None], tf.int32) for name in groups},
        "segments": {name: tf.TensorSpec([None], tf.int32) for name in groups},
        "dense": tf.TensorSpec([None, len(layout.dense_indices(side))], tf.float32),
    }


def side_tensors(
    layout: InputLayout, side: Side, batch: SideBatch, members: Mapping[str, IndexArray]
) -> dict[str, Any]:
    """`members` int32[nnz] by table: which of the table's rows each of its values is."""
    blocks = [(group, batch.blocks[group.name]) for group in layout.groups(side)]
    return {
        "indices": {group.name: tf.convert_to_tensor(block.of(members[group.table])) for group, block in blocks},
        "segments": {group.name: tf.convert_to_tensor(block.segments) for group, block in blocks},
        "dense": tf.convert_to_tensor(batch.dense),
    }


def lookup_rows(store: ModelStore, batch: SparseBatch) -> tuple[dict[str, Any], dict[str, IndexArray]]:
    """A row for each value of each table, zeros for FIDs without one; and the members that say so."""
    rows = {table: tf.convert_to_tensor(store.tables[table].lookup(each.fids)) for table, each in batch.values.items()}
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


def pool_side(layout: InputLayout, side: Side, rows: dict[str, Any], tensors: dict[str, Any]) -> Inputs:
    """Pooled embeddings and sequences of every slot of the side, and its dense inputs. Runs inside a compiled function."""
    dense = tensors["dense"]
    num_rows = tf.shape(dense)[0]
    slots: dict[str, Any] = {}
    sequences: dict[str, Sequence] = {}
    for group in layout.groups(side):
        indices, segments = tensors["indices"][group.name], tensors["segments"][group.name]
        if group.pooling is Pooling.SEQUENCE:
            slot = group.slots[0]
            sequences[slot.name] = place_rows(rows[group.table], indices, segments, slot.max_values, num_rows)
            slots[slot.name] = mean_of(sequences[slot.name])
        else:
            pooled = pool_rows(
                group.pooling, rows[group.table], indices, segments, num_slots=len(group.slots), num_rows=num_rows
            )
            slots.update({slot.name: pooled[place] for place, slot in enumerate(group.slots)})
    return Inputs(slots, dense, sequences)


def pair_inputs(  # noqa: PLR0917 - the sides in their order
    definition: ModelDefinition,
    user: Inputs,
    items: Inputs,
    user_rows: Any,
    item_rows: Any,
    pairs: Inputs | None = None,
) -> Inputs:
    """Inputs of p pairs: row `user_rows[i]` of the user side beside row `item_rows[i]` of the item side; int32[p] each.

    `pairs` has what is of the pairs themselves, p rows; a definition without such inputs needs none.
    """
    sides = [(user, user_rows), (items, item_rows)]
    found = {
        slot.name: tf.gather(side.slots[slot.name], rows)
        for side, rows in sides
        for slot in definition.slots
        if slot.name in side.slots
    }
    sequences = {
        name: Sequence(tf.gather(each.values, rows), tf.gather(each.mask, rows))
        for side, rows in sides
        for name, each in side.sequences.items()
    }
    dense = [tf.gather(side.dense, rows) for side, rows in sides]
    if pairs is not None:
        found |= pairs.slots
        sequences |= pairs.sequences
        dense.append(pairs.dense)
    return Inputs({slot.name: found[slot.name] for slot in definition.slots}, tf.concat(dense, axis=1), sequences)
