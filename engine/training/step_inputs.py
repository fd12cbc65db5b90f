"""What the compiled step is given of a batch, and what becomes of the gradients it answers: by side, or as one matrix of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from engine.embedding.table import Batch
from engine.features.encoded import FloatArray
from engine.models.architecture import Inputs
from engine.models.handover import FloatBuffers, array_of, tensor_of
from engine.models.inputs import InputLayout, SparseBatch
from engine.models.pair_matrix import PairMatrix, RowsOf
from engine.models.pooling import pool_block_gradient
from engine.models.scaling import Scaling
from engine.models.signature import pair_inputs, side_inputs, side_signature, side_tensors
from engine.spec.definition import Side

Rows = Mapping[str, FloatArray]
Gradients = dict[str, FloatArray]


class StepInputs(Protocol):
    """Rows of each table to tensors, and gradients of those tensors to gradients of the rows.

    Tensors may share memory that the next batch takes over. The rows of pairs are asked for in every call, because a batch without drawn
    items has row i of both sides as pair i: None then.
    """

    signature: Any

    def tensors(self, sparse: SparseBatch, rows: Rows, sighted: Mapping[str, Batch], of: RowsOf) -> Any:
        """As `signature` says."""

    def learned(self, tensors: Any) -> Any:
        """Which of the tensors the step is to answer gradients of."""

    def row_gradients(self, sparse: SparseBatch, sighted: Mapping[str, Batch], of: RowsOf, gradients: Any) -> Gradients:
        """float32[num_unique, dim] by table, given the gradients of what `learned` names."""


class InputsBySide:
    """Each side's pooled groups, its masks and its dense inputs; pairs are put together inside the step."""

    def __init__(self, layout: InputLayout, scaling: Scaling) -> None:
        self._layout = layout
        self._scaling = scaling
        self._pooled = FloatBuffers()
        self._gradients = FloatBuffers()
        self.signature: Any = {side.value: side_signature(layout, side) for side in layout.sides}

    def tensors(self, sparse: SparseBatch, rows: Rows, sighted: Mapping[str, Batch], of: RowsOf) -> Any:  # noqa: ARG002
        members = {table: each.members for table, each in sighted.items()}
        return {
            side.value: side_tensors(self._layout, side, sparse.sides[side], rows, members, self._pooled)
            for side in self._layout.sides
        }

    def learned(self, tensors: Any) -> Any:
        return {name: each["pooled"] for name, each in tensors.items()}

    def sides(self, tensors: Any) -> dict[Side, Inputs]:
        """The inputs of each side. Runs inside the compiled step."""
        return {
            side: self._scaling.scaled(side, side_inputs(self._layout, side, tensors[side.value]))
            for side in self._layout.sides
        }

    def pairs(self, tensors: Any, user_rows: Any | None, item_rows: Any | None) -> Inputs:
        """The inputs of the pairs. Runs inside the compiled step."""
        sides = self.sides(tensors)
        return pair_inputs(self._layout, sides[Side.USER], sides[Side.ITEM], user_rows, item_rows, sides.get(Side.PAIR))

    def row_gradients(self, sparse: SparseBatch, sighted: Mapping[str, Batch], of: RowsOf, gradients: Any) -> Gradients:  # noqa: ARG002
        found: Gradients = {}
        for side in self._layout.sides:
            for group in self._layout.groups(side):
                batch = sighted[group.table]
                block, gradient = sparse.sides[side].blocks[group.name], array_of(gradients[side.value][group.name])
                is_first = group.table not in found
                # fresh memory each step costs more in page faults than the arithmetic does
                name = group.table if is_first else f"{group.table}.more"
                out = self._gradients.of(name, (batch.num_unique, self._layout.tables[group.table]))
                mine = pool_block_gradient(group, block, gradient, batch.members, batch.num_unique, out)
                if is_first:
                    found[group.table] = mine
                else:
                    found[group.table] += mine
        return found


class InputsOfPairs:
    """One matrix of a ranking model's pairs, as `PairMatrix` writes it; the step has nothing to put together."""

    def __init__(self, layout: InputLayout) -> None:
        self._layout = layout
        self.matrix = PairMatrix(layout)
        self._lines = FloatBuffers()
        self._gradients = FloatBuffers()
        self.signature: Any = self.matrix.signature

    def tensors(self, sparse: SparseBatch, rows: Rows, sighted: Mapping[str, Batch], of: RowsOf) -> Any:
        members = {table: each.members for table, each in sighted.items()}
        user_rows = of[Side.USER]
        num_pairs = sparse.sides[Side.USER].num_rows if user_rows is None else len(user_rows)
        lines = self._lines.of("pairs", (num_pairs, self.matrix.width))
        self.matrix.fill(sparse, rows, members, of, lines)
        return tensor_of(lines)

    def learned(self, tensors: Any) -> Any:
        return tensors

    def pairs(self, tensors: Any) -> Inputs:
        """The inputs of the pairs. Runs inside the compiled step."""
        return self.matrix.inputs(tensors)

    def row_gradients(self, sparse: SparseBatch, sighted: Mapping[str, Batch], of: RowsOf, gradients: Any) -> Gradients:
        found = {}
        for table, batch in sighted.items():
            found[table] = self._gradients.of(table, (batch.num_unique, self._layout.tables[table]))
            found[table].fill(0.0)
        self.matrix.add_row_gradients(sparse, sighted, of, array_of(gradients), found)
        return found


def rows_of_pairs(user_rows: Any, item_rows: Any, num_rows: int) -> dict[Side, Any]:
    """int32[p] by side, None for all where row i of both sides is pair i: no item was drawn."""
    in_turn = np.arange(num_rows, dtype=np.int32)
    if np.array_equal(user_rows, in_turn) and np.array_equal(item_rows, in_turn):
        return dict.fromkeys(Side)
    return {Side.USER: user_rows, Side.ITEM: item_rows, Side.PAIR: None}
