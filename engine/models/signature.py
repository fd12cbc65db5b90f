"""The shapes that compiled functions take, and pooling a side inside them. Every size that varies is None, so nothing is traced twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from engine.embedding.store import ModelStore
from engine.models.architecture import Inputs
from engine.models.inputs import IndexArray, InputLayout, SideBatch, SparseBatch
from engine.models.pooling import mean_pool
from engine.spec.definition import ModelDefinition, Side


def rows_signature(layout: InputLayout) -> dict[str, Any]:
    """Embedding rows by table: float32[u, dim]."""
    return {table: tf.TensorSpec([None, dim], tf.float32) for table, dim in layout.tables.items()}


def side_signature(layout: InputLayout, side: Side) -> dict[str, Any]:
    """One side's blocks and dense inputs, as `side_tensors` gives them."""
    tables = [table for table in layout.tables if layout.slots(table, side)]
    return {
        "indices": {table: tf.TensorSpec([None], tf.int32) for table in tables},
        "segments": {table: tf.TensorSpec([None], tf.int32) for table in tables},
        "dense": tf.TensorSpec([None, len(layout.dense_indices(side))], tf.float32),
    }


def side_tensors(
    layout: InputLayout, side: Side, batch: SideBatch, members: Mapping[str, IndexArray]
) -> dict[str, Any]:
    """`members` int32[nnz] by table: which of the table's rows each of its values is."""
    tables = [table for table in layout.tables if layout.slots(table, side)]
    return {
        "indices": {table: tf.convert_to_tensor(batch.blocks[table].of(members[table])) for table in tables},
        "segments": {table: tf.convert_to_tensor(batch.blocks[table].segments) for table in tables},
        "dense": tf.convert_to_tensor(batch.dense),
    }


def lookup_rows(store: ModelStore, batch: SparseBatch) -> tuple[dict[str, Any], dict[str, IndexArray]]:
    """A row for each value of each table, zeros for FIDs without one; and the members that say so."""
    rows = {table: tf.convert_to_tensor(store.tables[table].lookup(each.fids)) for table, each in batch.values.items()}
    return rows, {table: np.arange(len(each), dtype=np.int32) for table, each in batch.values.items()}


def pool_side(layout: InputLayout, side: Side, rows: dict[str, Any], tensors: dict[str, Any]) -> Inputs:
    """Pooled embeddings of every slot of the side, and its dense inputs. Runs inside a compiled function."""
    dense = tensors["dense"]
    slots: dict[str, Any] = {}
    for table, indices in tensors["indices"].items():
        members = layout.slots(table, side)
        pooled = mean_pool(rows[table], indices, tensors["segments"][table], len(members), tf.shape(dense)[0])
        slots.update({slot.name: pooled[place] for place, slot in enumerate(members)})
    return Inputs(slots, dense)


def pair_inputs(definition: ModelDefinition, user: Inputs, items: Inputs, user_rows: Any, item_rows: Any) -> Inputs:
    """Inputs of p pairs: row `user_rows[i]` of the user side beside row `item_rows[i]` of the item side; int32[p] each."""
    slots = {
        slot.name: tf.gather(user.slots[slot.name], user_rows)
        if slot.name in user.slots
        else tf.gather(items.slots[slot.name], item_rows)
        for slot in definition.slots
    }
    return Inputs(slots, tf.concat([tf.gather(user.dense, user_rows), tf.gather(items.dense, item_rows)], axis=1))
