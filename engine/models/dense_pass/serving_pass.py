"""A ranking model's answers from records, in one call of the C++ core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.embedding.dense_program import DenseProgram, Place, PooledRecords, RecordPooling
from engine.embedding.pooling import Pooling
from engine.embedding.store import ServingStore, table_name
from engine.features.encoded import FloatArray
from engine.features.records import RecordLayout, Records
from engine.models.dense_pass.columns import InputColumns, Value
from engine.models.dense_pass.crossing import dcn_v2, dlrm
from engine.models.dense_pass.experts import mmoe, ple
from engine.models.dense_pass.factorization import deepfm, fm, logistic_regression, wide_deep
from engine.models.dense_pass.layers import Layers
from engine.spec import slot as spec
from engine.spec.definition import ModelDefinition, Side
from engine.spec.task import BinaryTask, RegressionTask, TargetTransform
from engine.spec.training_settings import Precision

GREATEST_LOG: Final = 60.0
"""As in `engine.models.outputs`, which a model learns with."""

EMITTERS: Final[Mapping[str, Callable[[Layers, ModelDefinition], Value]]] = {
    "logistic_regression": logistic_regression,
    "fm": fm,
    "deepfm": deepfm,
    "wide_deep": wide_deep,
    "dcn_v2": dcn_v2,
    "dlrm": dlrm,
    "mmoe": mmoe,
    "ple": ple,
}
"""What writes an architecture's formula as steps of a program; the others are answered by TensorFlow."""


def can_serve(definition: ModelDefinition) -> bool:
    """Whether the definition's architecture can be answered so, in the float32 that it is computed in."""
    return definition.architecture.kind in EMITTERS and definition.training.precision is Precision.FLOAT32


@dataclass(frozen=True, slots=True)
class PackedWeights:
    """Dense weights as a program; `result` is where the tasks' predictions stand."""

    program: DenseProgram
    result: Place


class ServingPass:
    """The forward pass of one definition. Nothing in it changes, so safe for any number of threads."""

    def __init__(self, definition: ModelDefinition) -> None:
        """Raises ValueError for a definition that it cannot serve (`can_serve`)."""
        if not can_serve(definition):
            raise ValueError(f"architecture.kind: cannot be served without TensorFlow: {definition.architecture.kind}")
        self.definition = definition
        self._columns = InputColumns(definition)
        self._tables = [table_name(dim) for dim in definition.dims]
        self._poolings = {side: self._pooling(RecordLayout(definition, side)) for side in Side}

    def pack(self, weights: Mapping[str, FloatArray]) -> PackedWeights:
        """A copy of dense weights by their stable names, laid out for multiplying. Some 0.2 ms for a network of 150,000 weights."""
        layers = Layers(self._columns, weights)
        logits = EMITTERS[self.definition.architecture.kind](layers, self.definition)
        for place, task in enumerate(self.definition.tasks):
            if isinstance(task, BinaryTask):
                layers.activate("sigmoid", Value((logits.place[0], logits.place[1] + place), 1, logits.is_of_asker))
        return PackedWeights(layers.program, logits.place)

    def predictions(
        self, store: ServingStore, packed: PackedWeights, user: Records, items: Records, pairs: Records | None
    ) -> FloatArray:
        """float32[n, num_tasks], as `engine.models.forward.Predictor.pair_predictions`: the one user with each of n items.

        `pairs` has n rows where the definition has inputs of pairs. Raises ValueError when it is missing, or records are not of this
        definition's layouts.
        """
        found = packed.program.run_records(
            [store.tables[name] for name in self._tables],
            self._pooled(Side.USER, user),
            self._pooled(Side.ITEM, items),
            None if pairs is None else self._pooled(Side.PAIR, pairs),
            packed.result,
            len(self.definition.tasks),
        )
        for place, task in enumerate(self.definition.tasks):
            if isinstance(task, RegressionTask):
                found[:, place] = _untransformed(task.transform, found[:, place])
        return found

    def _pooled(self, side: Side, records: Records) -> PooledRecords:
        return PooledRecords(self._poolings[side], records.words, np.ascontiguousarray(records.starts))

    def _pooling(self, layout: RecordLayout) -> RecordPooling:
        return RecordPooling(
            [self.definition.dims.index(slot.dim) for slot in layout.slots],
            [POOLINGS[slot.pooling] for slot in layout.slots],
            [self._columns.column(slot.name) for slot in layout.slots],
            num_dense=layout.num_dense,
            dense_column=self._columns.dense_column[layout.side],
        )


def _untransformed(transform: TargetTransform, values: FloatArray) -> FloatArray:
    """As `engine.models.outputs.untransformed`."""
    if transform is TargetTransform.LOG1P:
        return np.sign(values) * np.expm1(np.minimum(np.abs(values), GREATEST_LOG))
    return values


POOLINGS: Final = {
    spec.Pooling.MEAN: Pooling.MEAN,
    spec.Pooling.SUM: Pooling.SUM,
    spec.Pooling.SQRTN: Pooling.SQRTN,
    # The encoder gives the first alone.
    spec.Pooling.FIRST: Pooling.MEAN,
    # Who does not attend over a sequence takes its mean.
    spec.Pooling.SEQUENCE: Pooling.MEAN,
}
