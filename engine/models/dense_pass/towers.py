"""A retrieval model's vectors from records, in one call of the C++ core: what a replica asks once a request, without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.embedding.dense_program import CANDIDATES, DenseProgram, Place, PooledRecords, RecordPooling
from engine.embedding.store import ServingStore, table_name
from engine.features.encoded import FloatArray
from engine.features.records import RecordLayout, Records
from engine.features.statistics import PREFIX
from engine.models.dense_pass.layers import MAX_DEVIATIONS
from engine.models.dense_pass.serving_pass import POOLINGS
from engine.spec.definition import ModelDefinition, Side
from engine.spec.retrieval import MatrixFactorisation, TwoTower
from engine.spec.slot import Pooling
from engine.spec.training_settings import Precision

_LEAST_SQUARE: Final = np.float32(1e-6)
_WHOLE: Final = np.float32(1.0)
_BIAS_WEIGHT: Final = np.float32(0.5)
_NOBODY: Final = RecordPooling([], [], [], num_dense=0, dense_column=0)
_NOBODYS_RECORD: Final = PooledRecords(_NOBODY, np.empty(0, np.uint64), np.zeros(1, np.int64))


def can_serve_tower(definition: ModelDefinition) -> bool:
    """Whether the definition's vectors can be made so, in the float32 that they are computed in."""
    architecture = definition.architecture
    is_known = isinstance(architecture, TwoTower | MatrixFactorisation)
    attends = any(slot.pooling is Pooling.SEQUENCE for slot in definition.slots)
    return is_known and not attends and definition.training.precision is Precision.FLOAT32


@dataclass(frozen=True, slots=True)
class PackedTower:
    """Dense weights of one side as a program; `result` is where its last layer's output stands, `width` columns of it."""

    program: DenseProgram
    result: Place
    width: int


class TowerPass:
    """One side of a two_tower or a matrix_factorisation. Nothing in it changes, so safe for any number of threads."""

    def __init__(self, definition: ModelDefinition, side: Side) -> None:
        """Raises ValueError for a definition that it cannot serve (`can_serve_tower`)."""
        if not can_serve_tower(definition):
            kind = definition.architecture.kind
            raise ValueError(f"architecture.kind: cannot be served without TensorFlow: {kind}")
        self.layout = RecordLayout(definition, side)
        self._definition = definition
        self._side = side
        self._dense = definition.dense_of(side)
        self._tables = [table_name(dim) for dim in definition.dims]
        columns, width = {}, 0
        for slot in definition.slots_of(side):
            columns[slot.name] = width
            width += slot.dim
        self._dense_column = width
        self._width = width + definition.num_dense(side)
        self._pooling = RecordPooling(
            [definition.dims.index(slot.dim) for slot in self.layout.slots],
            [POOLINGS[slot.pooling] for slot in self.layout.slots],
            [columns[slot.name] for slot in self.layout.slots],
            num_dense=self.layout.num_dense,
            dense_column=self._dense_column,
        )

    def pack(self, weights: Mapping[str, FloatArray]) -> PackedTower:
        """A copy of dense weights by their stable names, laid out for multiplying."""
        program = DenseProgram(0, self._width, 0)
        column = self._dense_column
        for dense in self._dense:
            if dense.transform.standardises:
                means, factors = weights[PREFIX + dense.name]
                program.standardise(means, factors, MAX_DEVIATIONS, (CANDIDATES, column))
            column += dense.dim
        kind = self._definition.architecture.kind
        place, width = _EMITTERS[kind](self, program, weights)
        return PackedTower(program, place, width)

    def vectors(self, store: ServingStore, packed: PackedTower, records: Records) -> FloatArray:
        """float32[n, output_dim], as `engine.models.forward.Predictor.user_vectors` or `item_vectors`."""
        rows = PooledRecords(self._pooling, records.words, np.ascontiguousarray(records.starts))
        tables = [store.tables[name] for name in self._tables]
        found = packed.program.run_records(tables, _NOBODYS_RECORD, rows, None, packed.result, packed.width)
        if isinstance(self._definition.architecture, TwoTower):
            return _shortened(found, _LEAST_SQUARE)
        if self._side is Side.USER:
            found[:, -1] = _BIAS_WEIGHT
        return _shortened(found, _WHOLE)

    def two_tower(self, program: DenseProgram, weights: Mapping[str, FloatArray]) -> tuple[Place, int]:
        """`engine.models.two_tower`."""
        assert isinstance(self._definition.architecture, TwoTower)
        names = [f"{self._side.value}_hidden_{index}" for index in range(len(self._definition.architecture.hidden))]
        source: Place = (CANDIDATES, 0)
        for name in [*names, f"{self._side.value}_output"]:
            kernel = weights[f"{name}/kernel"]
            to = (program.add_register(kernel.shape[1], is_of_asker=False), 0)
            program.linear(source, kernel, to, bias=weights.get(f"{name}/bias"), rectifies=name in names)
            source = to
        return source, kernel.shape[1]

    def matrix_factorisation(self, program: DenseProgram, weights: Mapping[str, FloatArray]) -> tuple[Place, int]:
        """`engine.models.matrix_factorisation`: the embeddings' sum, plus the linear map of the dense inputs."""
        dim = self._definition.slots[0].dim
        num_slots = self._dense_column // dim
        parts = [np.tile(np.eye(dim, dtype=np.float32), (num_slots, 1))]
        if self._width > self._dense_column:
            parts.append(weights[f"{self._side.value}_dense/kernel"])
        to = (program.add_register(dim, is_of_asker=False), 0)
        program.linear((CANDIDATES, 0), np.concatenate(parts), to)
        return to, dim


_EMITTERS: Final[dict[str, Callable[[TowerPass, DenseProgram, Mapping[str, FloatArray]], tuple[Place, int]]]] = {
    "two_tower": TowerPass.two_tower,
    "matrix_factorisation": TowerPass.matrix_factorisation,
}


def _shortened(vectors: FloatArray, least_square: np.float32) -> FloatArray:
    """Vectors divided by their length, or by the root of `least_square` where they are shorter."""
    squares = np.einsum("ij,ij->i", vectors, vectors)[:, np.newaxis]
    result: FloatArray = vectors / np.sqrt(np.maximum(squares, least_square))
    return result
