"""The compiled forward pass: FIDs -> lookup -> pooling -> architecture, for serving and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.embedding.store import ModelStore, ServingStore
from engine.features.encoded import EncodedBatch, FloatArray
from engine.features.records import Records
from engine.models.architecture import (
    Architecture,
    RankingArchitecture,
    RetrievalArchitecture,
    Weights,
    check_weights,
)
from engine.models.dense_pass.serving_pass import PackedWeights, ServingPass, can_serve
from engine.models.dense_pass.towers import PackedTower, TowerPass, can_serve_tower
from engine.models.inputs import InputLayout
from engine.models.outputs import predictions
from engine.models.registry import build_architecture
from engine.models.scores import score_of
from engine.models.signature import (
    by_side,
    lookup_rows,
    pair_inputs,
    side_inputs,
    side_signature,
    side_tensors,
)
from engine.models.stand_ins import StandIns
from engine.spec.definition import ModelDefinition, Side


@dataclass(frozen=True, slots=True)
class _Parameters:
    """What answers; `packed` when it is a replica's and the architecture can do without TensorFlow."""

    store: ModelStore
    weights: tuple[Any, ...]
    packed: PackedWeights | None = None
    tower: PackedTower | None = None


class Predictor:
    """Vectors and scores from a store's rows and dense weights of its own.

    Store and dense weights are inputs of the compiled functions and one reference: a call in flight, on any thread, sees all of the
    old ones or all of the new. FIDs without a row count as zero rows in their slot's mean. `num_traces` counts compilations.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        store: ModelStore,
        architecture: RankingArchitecture | RetrievalArchitecture | None = None,
    ) -> None:
        """`architecture` gives layers and first weights; without one it is built from the definition's seed."""
        self.definition = definition
        self.num_traces = 0
        self._layout = InputLayout(definition)
        self._architecture = architecture or build_architecture(definition)
        self._names = list(self._architecture.weights)
        self._serving = ServingPass(definition) if can_serve(definition) else None
        self._user_tower = TowerPass(definition, Side.USER) if can_serve_tower(definition) else None
        self._parameters = _Parameters(store, ())
        self.follow(self._architecture)
        self._vectors: dict[Side, Any] = {}
        if isinstance(self._architecture, RankingArchitecture):
            self._pair_predictions = self._compile_pair_predictions()
        else:
            self._vectors = {side: self._compile_vectors(side) for side in (Side.USER, Side.ITEM)}

    @property
    def store(self) -> ModelStore:
        """The tables that answer now."""
        return self._parameters.store

    @property
    def takes_records(self) -> bool:
        """Whether `record_predictions` answers: a replica's store, and an architecture that needs no TensorFlow."""
        return self._serving is not None and isinstance(self.store, ServingStore)

    def dense_weights(self) -> Weights:
        """The weights that answer now, by stable name."""
        weights = self._parameters.weights
        return {name: np.array(value.numpy(), np.float32) for name, value in zip(self._names, weights, strict=True)}

    def load_dense_weights(self, weights: Mapping[str, FloatArray]) -> None:
        """Replace all weights at once. Raises `CorruptRecord` on a wrong name or shape, leaving the old ones."""
        self.replace(self.store, weights)

    def replace(self, store: ModelStore, weights: Mapping[str, FloatArray]) -> None:
        """Replace the tables and all weights at once. Raises `CorruptRecord` on a wrong name or shape, leaving the old ones."""
        shapes = {name: tuple(value.shape) for name, value in zip(self._names, self._parameters.weights, strict=True)}
        check_weights(weights, shapes)
        tensors = tuple(tf.constant(weights[name], tf.float32) for name in self._names)
        self._parameters = _Parameters(store, tensors, self._packed(store, weights), self._packed_tower(store, weights))

    def follow(self, architecture: Architecture) -> None:
        """Take over an architecture's present weights: what a trainer does before it evaluates."""
        store = self.store
        tensors = tuple(tf.identity(one.value) for one in architecture.weights.values())
        if not isinstance(store, ServingStore):
            self._parameters = _Parameters(store, tensors)
            return
        weights = architecture.dense_weights()
        self._parameters = _Parameters(store, tensors, self._packed(store, weights), self._packed_tower(store, weights))

    def record_predictions(self, user: Records, items: Records, pairs: Records | None = None) -> FloatArray:
        """float32[n, num_tasks], as `pair_predictions` of the one user with each of n items; equal to it but for rounding.

        Records by `engine.features.records.RecordLayout` of each side. Raises ValueError unless `takes_records`, and as `pair_scores`.
        """
        parameters = self._parameters
        if self._serving is None or parameters.packed is None or not isinstance(parameters.store, ServingStore):
            raise ValueError(f"a {self.definition.architecture.kind} takes no records; use pair_predictions")
        return self._serving.predictions(parameters.store, parameters.packed, user, items, pairs)

    def _packed(self, store: ModelStore, weights: Mapping[str, FloatArray]) -> PackedWeights | None:
        if self._serving is None or not isinstance(store, ServingStore):
            return None
        return self._serving.pack(weights)

    def _packed_tower(self, store: ModelStore, weights: Mapping[str, FloatArray]) -> PackedTower | None:
        if self._user_tower is None or not isinstance(store, ServingStore):
            return None
        return self._user_tower.pack(weights)

    @property
    def takes_user_records(self) -> bool:
        """Whether `user_record_vectors` answers: a replica's store, and a retrieval model that needs no TensorFlow."""
        return self._user_tower is not None and isinstance(self.store, ServingStore)

    def user_record_vectors(self, user: Records) -> FloatArray:
        """float32[n, output_dim], as `user_vectors` of n users' records; equal to it but for rounding. Raises ValueError unless
        `takes_user_records`."""
        parameters = self._parameters
        if self._user_tower is None or parameters.tower is None or not isinstance(parameters.store, ServingStore):
            raise ValueError(f"a {self.definition.architecture.kind} takes no users' records; use user_vectors")
        return self._user_tower.vectors(parameters.store, parameters.tower, user)

    def user_vectors(self, batch: EncodedBatch) -> FloatArray:
        """float32[n, output_dim] of a batch of the user side. Raises ValueError for a ranking model."""
        return self._side_vectors(Side.USER, batch)

    def item_vectors(self, batch: EncodedBatch, stand_ins: StandIns | None = None) -> FloatArray:
        """float32[n, output_dim] of a batch of the item side; `stand_ins` are taken for rows. Raises ValueError for a ranking model."""
        return self._side_vectors(Side.ITEM, batch, stand_ins)

    def scores(self, batch: EncodedBatch) -> FloatArray:
        """float32[n] of a batch of all sides: a ranking model's `score` (`engine.models.scores`), a retrieval model's cosine."""
        sides = self._layout.split(batch)
        rows = np.arange(batch.num_rows, dtype=np.int32)
        return self.pair_scores(sides[Side.USER], sides[Side.ITEM], rows, rows, sides.get(Side.PAIR))

    def pair_scores(
        self,
        user: EncodedBatch,
        items: EncodedBatch,
        user_rows: np.ndarray[Any, np.dtype[np.int32]] | None = None,
        item_rows: np.ndarray[Any, np.dtype[np.int32]] | None = None,
        pairs: EncodedBatch | None = None,
    ) -> FloatArray:
        """float32[p]: the score of user row `user_rows[i]` with item row `item_rows[i]`; row i of `pairs` is of both together.

        By default the one user of `user` with each item in turn, its side looked up and pooled once. Scores as in `scores`.
        Raises ValueError when `pairs` is missing though the definition has inputs of pairs.
        """
        if user_rows is None:
            user_rows = np.zeros(items.num_rows, np.int32)
        if item_rows is None:
            item_rows = np.arange(items.num_rows, dtype=np.int32)
        if self._vectors:
            products = self.user_vectors(user)[user_rows] * self.item_vectors(items)[item_rows]
            cosines: FloatArray = products.sum(axis=1)
            return cosines
        found = self.pair_predictions(user, items, user_rows, item_rows, pairs)
        return score_of(self.definition.score, self.definition.tasks, found)

    def pair_predictions(
        self,
        user: EncodedBatch,
        items: EncodedBatch,
        user_rows: np.ndarray[Any, np.dtype[np.int32]],
        item_rows: np.ndarray[Any, np.dtype[np.int32]],
        pairs: EncodedBatch | None = None,
    ) -> FloatArray:
        """float32[p, num_tasks]: what a ranking model says of each task, a probability or a regression's number, rows as in `pair_scores`.

        Raises ValueError for a retrieval model, and as `pair_scores`.
        """
        if self._vectors:
            raise ValueError(f"a {self.definition.architecture.kind} predicts no tasks; use scores")
        sparse = self._layout.sparse_batch(by_side(self._layout, user, items, pairs))
        store, weights = self._parameters.store, self._parameters.weights
        rows, members = lookup_rows(store, sparse)
        sides = {
            side.value: side_tensors(self._layout, side, sparse.sides[side], rows, members)
            for side in self._layout.sides
        }
        found: FloatArray = self._pair_predictions(
            weights, sides, tf.constant(user_rows), tf.constant(item_rows)
        ).numpy()
        return found

    def _side_vectors(self, side: Side, batch: EncodedBatch, stand_ins: StandIns | None = None) -> FloatArray:
        if side not in self._vectors:
            raise ValueError(f"a {self.definition.architecture.kind} has no vectors; use scores")
        sparse = self._layout.sparse_batch({side: batch})
        store, weights = self._parameters.store, self._parameters.weights
        rows, members = lookup_rows(store, sparse)
        if stand_ins is not None:
            stand_ins.fill(sparse.values, rows)
        tensors = side_tensors(self._layout, side, sparse.sides[side], rows, members)
        vectors: FloatArray = self._vectors[side](weights, tensors).numpy()
        return vectors

    def _scope(self, weights: tuple[Any, ...]) -> Any:
        variables = self._architecture.weights.values()
        return keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True)))

    def _weights_signature(self) -> tuple[Any, ...]:
        return tuple(tf.TensorSpec(value.shape, tf.float32) for value in self._parameters.weights)

    def _compile_vectors(self, side: Side) -> Any:
        architecture = self._architecture
        assert isinstance(architecture, RetrievalArchitecture)
        tower = architecture.user_vectors if side is Side.USER else architecture.item_vectors

        def vectors(weights: tuple[Any, ...], tensors: dict[str, Any]) -> Any:
            self.num_traces += 1
            with self._scope(weights):
                return tower(architecture.scaling.scaled(side, side_inputs(self._layout, side, tensors)))

        signature = [self._weights_signature(), side_signature(self._layout, side)]
        return _compiled(vectors, signature)

    def _compile_pair_predictions(self) -> Any:
        architecture = self._architecture
        assert isinstance(architecture, RankingArchitecture)

        def of_pairs(weights: tuple[Any, ...], sides: dict[str, Any], user_rows: Any, item_rows: Any) -> Any:
            self.num_traces += 1
            pooled = {side: side_inputs(self._layout, side, sides[side.value]) for side in self._layout.sides}
            with self._scope(weights):
                pooled = {side: architecture.scaling.scaled(side, each) for side, each in pooled.items()}
                users, items, pairs = pooled[Side.USER], pooled[Side.ITEM], pooled.get(Side.PAIR)
                logits = architecture.logits(pair_inputs(self._layout, users, items, user_rows, item_rows, pairs))
            return predictions(self.definition.tasks, logits)

        row_signature = tf.TensorSpec([None], tf.int32)
        sides = {side.value: side_signature(self._layout, side) for side in self._layout.sides}
        signature = [self._weights_signature(), sides, row_signature, row_signature]
        return _compiled(of_pairs, signature)


def _compiled(function: Callable[..., Any], signature: list[Any]) -> Any:
    """Called as it is, without tf.function's own look at every argument: a quarter of the time of a request's batch."""
    return tf.function(function, input_signature=signature, autograph=False).get_concrete_function()
