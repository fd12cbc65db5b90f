"""The inputs of pairs as one matrix, written where they are gathered: what most ranking models compute with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

import engine.embedding.pooling as bags
from engine.embedding.table import Batch
from engine.features.encoded import FloatArray
from engine.models.architecture import Inputs
from engine.models.inputs import Group, IndexArray, InputLayout, SparseBatch
from engine.spec.architecture import is_retrieval
from engine.spec.definition import Side
from engine.spec.slot import Pooling

RowsOf = Mapping[Side, IndexArray | None]
"""Which row of a side each pair has, int32[p]; None where row i of the side is pair i's."""


class PairMatrix:
    """float32[p, width]: line i has pair i's pooled slots in the definition's order, then its dense inputs, side by side.

    Laying sides beside each other, and taking a user's row for each of its items, are copies in TensorFlow, forward and back; here
    they are where the pooled values are written anyway, and where their gradients are read.
    """

    def __init__(self, layout: InputLayout) -> None:
        """Raises ValueError for a layout that it does not fit."""
        if not PairMatrix.fits(layout):
            raise ValueError(
                "layout: must be of a ranking model without sequences and standardised inputs, received another"
            )
        slots = layout.definition.slots
        starts = np.cumsum([0, *(slot.dim for slot in slots)])
        self._layout = layout
        self._dims = [slot.dim for slot in slots]
        self._names = [slot.name for slot in slots]
        column_of = dict(zip(self._names, starts[:-1].tolist(), strict=True))
        self._columns = {
            (side, group.name): np.array([column_of[slot.name] for slot in group.slots], np.int32)
            for side in layout.sides
            for group in layout.groups(side)
        }
        self.num_embedded = int(starts[-1])
        self.width = self.num_embedded + layout.definition.num_dense()
        self._dense_columns = {side: self._places_of_dense(side) for side in layout.sides}

    def _places_of_dense(self, side: Side) -> slice:
        """Sides' dense inputs come one after the other, as `pair_inputs` puts them."""
        before = self._layout.sides[: self._layout.sides.index(side)]
        start = self.num_embedded + sum(len(self._layout.dense_indices(each)) for each in before)
        return slice(start, start + len(self._layout.dense_indices(side)))

    @classmethod
    def fits(cls, layout: InputLayout) -> bool:
        """Sequences keep their rows apart; what is standardised is computed inside the compiled step."""
        definition = layout.definition
        return (
            not is_retrieval(definition.architecture)
            and all(slot.pooling is not Pooling.SEQUENCE for slot in definition.slots)
            and not any(dense.transform.standardises for dense in definition.dense)
        )

    @property
    def signature(self) -> Any:
        return tf.TensorSpec([None, self.width], tf.float32)

    def fill(
        self,
        sparse: SparseBatch,
        rows: Mapping[str, FloatArray],
        members: Mapping[str, IndexArray],
        of: RowsOf,
        out: FloatArray,
    ) -> None:
        """Write every line of `out`, float32[p, width]. `rows` float32[u, dim] and `members` int32[nnz] by table."""
        for side, batch in sparse.sides.items():
            for group in self._layout.groups(side):
                block = batch.blocks[group.name]
                mine, columns = block.of(members[group.table]), self._columns[side, group.name]
                bags.pool_columns(_pooling(group), rows[group.table], mine, block.splits, columns, of[side], out)
            if batch.dense.shape[1]:
                out[:, self._dense_columns[side]] = batch.dense if of[side] is None else batch.dense[of[side]]

    def inputs(self, matrix: Any) -> Inputs:
        """What an architecture computes with. Runs inside a compiled function, which leaves out what is not used."""
        embedded, dense = matrix[:, : self.num_embedded], matrix[:, self.num_embedded :]
        if len(set(self._dims)) > 1:
            parts = tf.split(embedded, self._dims, axis=1)
            return Inputs(dict(zip(self._names, parts, strict=True)), dense, flat=matrix)
        stacked = tf.reshape(embedded, (-1, len(self._dims), self._dims[0]))
        parts = tf.unstack(stacked, axis=1)
        return Inputs(dict(zip(self._names, parts, strict=True)), dense, stacked=stacked, flat=matrix)

    def add_row_gradients(
        self,
        sparse: SparseBatch,
        sighted: Mapping[str, Batch],
        of: RowsOf,
        gradient: FloatArray,
        out: Mapping[str, FloatArray],
    ) -> None:
        """Add the gradient of each table's rows to `out`, float32[num_unique, dim], given that of the matrix, float32[p, width]."""
        for side, batch in sparse.sides.items():
            for group in self._layout.groups(side):
                block, columns = batch.blocks[group.name], self._columns[side, group.name]
                mine = block.of(sighted[group.table].members)
                bags.add_column_gradient(
                    _pooling(group), gradient, mine, block.splits, columns, of[side], out[group.table]
                )


def _pooling(group: Group) -> bags.Pooling:
    return bags.Pooling(group.pooling)
