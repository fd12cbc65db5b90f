"""One training step: rows gathered from the C++ table, a compiled TensorFlow step, gradients applied back to the table."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from engine.embedding.store import EmbeddingStore
from engine.embedding.table import Batch
from engine.features.encoded import FloatArray
from engine.models.architecture import Inputs, RankingArchitecture, RetrievalArchitecture
from engine.models.handover import FloatBuffers, array_of
from engine.models.inputs import InputLayout, SparseBatch
from engine.models.pooling import pool_block_gradient
from engine.models.signature import by_side, pair_inputs, side_inputs, side_signature, side_tensors
from engine.spec.architecture import is_retrieval
from engine.spec.definition import ModelDefinition, Side
from engine.training.dense_optimizer import DenseOptimizer
from engine.training.retrieval_losses import retrieval_loss
from engine.training.sparse_update import SparseUpdate
from engine.training.task_losses import StepLoss, task_losses, task_signature, task_tensors
from engine.training.training_batch import RankingBatch, RetrievalBatch

_FLOAT_ROWS = tf.TensorSpec([None], tf.float32)


@dataclass(frozen=True, slots=True)
class StepResult:
    """`loss` is the weighted mean before the update; scores and labels float32[s] are from before it too.

    A ranking step's scores are the first task's predictions (probabilities among the rows as sampled), one for each pair whose label is
    known; `by_task` float32[p, num_tasks] has those of all tasks for all p pairs. A retrieval step's are (1 + cosine) / 2 of each user
    with the item acted on (label 1) and with the next candidate of the batch (label 0), accidental hits left out. `finite` is False when
    the batch gave an infinite or undefined loss: then nothing was learned from it.
    """

    loss: float
    scores: FloatArray
    labels: FloatArray
    finite: bool
    by_task: FloatArray | None = None


class TrainStep:
    """Learns from batches. `num_traces` counts compilations, which do not depend on batch sizes: one, and one more for a ranking model
    that gets batches with drawn items and batches without. `compiled_s` counts the seconds inside compiled functions; the rest of a step is
    the table and the way between it and TensorFlow.

    Rows are pooled, and the gradients of what was pooled taken apart again, by `engine_cc`: inside TensorFlow that takes as long as
    the network.

    What is minimised is the sum of the rows' weighted losses, not their mean: an embedding row then moves as far for one click in a
    large batch as in a small one. Adam, for the dense weights, does not mind the scale; other
    optimizers of theirs do, and want a smaller rate for it.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        store: EmbeddingStore,
        architecture: RankingArchitecture | RetrievalArchitecture,
        dense_optimizer: DenseOptimizer,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`clock` in seconds."""
        self._clock = clock
        self.compiled_s = 0.0
        self._definition = definition
        self._store = store
        self._layout = InputLayout(definition)
        self._architecture = architecture
        self._dense_optimizer = dense_optimizer
        self._update_rows = SparseUpdate(definition, store)
        self._variables = list(architecture.variables.values())
        self.num_traces = 0
        self._rows = FloatBuffers()
        self._pooled = FloatBuffers()
        self._gradients = FloatBuffers()
        sides = {side.value: side_signature(self._layout, side) for side in self._layout.sides}
        signature = [sides, self._extra_signature()]
        compiled = {
            are_pairs: tf.function(partial(self._learned, are_pairs), input_signature=signature, autograph=False)
            for are_pairs in (True, False)
        }
        self._steps: dict[bool, Any] = compiled

    def learn(self, batch: RankingBatch | RetrievalBatch) -> StepResult:
        """Score the batch, then learn from it."""
        pairs = batch.pairs if isinstance(batch, RankingBatch) else None
        sparse = self._layout.sparse_batch(by_side(self._layout, batch.user, batch.items, pairs), batch.seen_at_s)
        sighted = {
            table: self._store.tables[table].sight(each.fids, each.slots, each.seen_at_s)
            for table, each in sparse.values.items()
        }
        rows = {table: self._gather(table, each) for table, each in sighted.items()}
        members = {table: each.members for table, each in sighted.items()}
        sides = {
            side.value: side_tensors(self._layout, side, sparse.sides[side], rows, members, self._pooled)
            for side in self._layout.sides
        }
        step = self._steps[isinstance(batch, RankingBatch) and _are_pairs(batch)]
        extra = _extra_tensors(batch)
        started_s = self._clock()
        loss, scores, labels, pooled_gradients = step(sides, extra)
        finite = bool(np.isfinite(loss.numpy()))
        self.compiled_s += self._clock() - started_s
        if finite:
            gradients = self._row_gradients(sparse, sighted, pooled_gradients)
            # the count includes this step, and travels with the checkpoint
            self._update_rows.apply(sighted, sparse.values, gradients, self._dense_optimizer.num_steps - 1)
        by_row = scores.numpy()
        if not isinstance(batch, RankingBatch):
            return StepResult(float(loss), by_row, labels.numpy(), finite)
        known = batch.known[:, 0]
        return StepResult(float(loss), by_row[known, 0], batch.labels[known, 0], finite, by_row)

    def _gather(self, table: str, batch: Batch) -> FloatArray:
        """The batch's rows, zeros for FIDs that have not earned one, in memory that the next step uses again."""
        gathered = self._store.tables[table]
        return gathered.gather(batch, self._rows.of(table, (batch.num_unique, gathered.dim)))

    def _row_gradients(
        self, sparse: SparseBatch, sighted: dict[str, Batch], pooled: dict[str, dict[str, Any]]
    ) -> dict[str, FloatArray]:
        """The gradient of each table's rows, float32[num_unique, dim], summed over the sides that use them."""
        found: dict[str, FloatArray] = {}
        for side in self._layout.sides:
            for group in self._layout.groups(side):
                batch = sighted[group.table]
                block, gradient = sparse.sides[side].blocks[group.name], array_of(pooled[side.value][group.name])
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

    def _extra_signature(self) -> dict[str, Any]:
        if isinstance(self._architecture, RankingArchitecture):
            return task_signature(self._definition.tasks)
        return {"item_keys": tf.TensorSpec([None], tf.int64), "log_q": _FLOAT_ROWS, "weights": _FLOAT_ROWS}

    def _ranking_loss(self, are_pairs: bool, inputs: dict[Side, Inputs], extra: dict[str, Any]) -> StepLoss:
        model = self._architecture
        assert isinstance(model, RankingArchitecture)
        rows: tuple[Any, Any] = (None, None) if are_pairs else (extra["user_rows"], extra["item_rows"])
        users, items, pairs = inputs[Side.USER], inputs[Side.ITEM], inputs.get(Side.PAIR)
        together = pair_inputs(self._layout, users, items, *rows, pairs)
        return task_losses(self._definition.tasks, model.logits(together), extra)

    def _retrieval_loss(self, inputs: dict[Side, Inputs], extra: dict[str, Any]) -> StepLoss:
        model = self._architecture
        assert isinstance(model, RetrievalArchitecture)
        user_vectors, item_vectors = model.user_vectors(inputs[Side.USER]), model.item_vectors(inputs[Side.ITEM])
        cosines = tf.matmul(user_vectors, item_vectors, transpose_b=True)
        settings = self._definition.architecture
        assert is_retrieval(settings)
        loss = retrieval_loss(settings, cosines, extra["item_keys"], extra["log_q"])
        weighted = tf.reduce_sum(loss * extra["weights"])
        mean = tf.math.divide_no_nan(weighted, tf.reduce_sum(extra["weights"]))
        return StepLoss(weighted, mean, *_compared(cosines, extra["item_keys"]))

    def _learned(self, are_pairs: bool, sides: dict[str, Any], extra: dict[str, Any]) -> Any:
        """The compiled step: loss, scores and labels, gradients of what was pooled; new dense weights."""
        self.num_traces += 1
        pooled = {name: tensors["pooled"] for name, tensors in sides.items()}
        with tf.GradientTape() as tape, self._architecture.learning() as observed:
            tape.watch(pooled)
            scaled = self._architecture.scaling.scaled
            inputs = {
                side: scaled(side, side_inputs(self._layout, side, sides[side.value])) for side in self._layout.sides
            }
            if isinstance(self._architecture, RankingArchitecture):
                found = self._ranking_loss(are_pairs, inputs, extra)
            else:
                found = self._retrieval_loss(inputs, extra)
        dense = [variable.value for variable in self._variables]
        pooled_gradients, dense_gradients = tape.gradient(
            found.total, (pooled, dense), unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        finite = tf.math.is_finite(found.total)
        self._dense_optimizer.apply([tf.convert_to_tensor(gradient) for gradient in dense_gradients], dense, finite)
        for variable, moments in observed:
            variable.value.assign(tf.where(finite, moments, variable.value))
        return (
            found.mean,
            found.scores,
            found.labels,
            tf.nest.map_structure(tf.convert_to_tensor, pooled_gradients),
        )


def _are_pairs(batch: RankingBatch) -> bool:
    """Whether row i of both sides is pair i: no item was drawn."""
    rows = np.arange(batch.user.num_rows, dtype=np.int32)
    return np.array_equal(batch.user_rows, rows) and np.array_equal(batch.item_rows, rows)


def _compared(cosines: Any, item_keys: Any) -> tuple[Any, Any]:
    """Scores and labels of each user's own item and of the next candidate, which serves as a negative."""
    num_users, num_candidates = tf.shape(cosines)[0], tf.shape(cosines)[1]
    own = tf.range(num_users)
    other = (own + 1) % num_candidates
    negative = tf.gather(cosines, other, batch_dims=1)
    differs = tf.not_equal(tf.gather(item_keys, other), tf.gather(item_keys, own))
    negative = tf.boolean_mask(negative, differs)
    scores = tf.concat([tf.linalg.diag_part(cosines), negative], axis=0)
    labels = tf.concat([tf.ones([num_users], tf.float32), tf.zeros_like(negative)], axis=0)
    return (scores + 1.0) / 2.0, labels


def _extra_tensors(batch: RankingBatch | RetrievalBatch) -> dict[str, Any]:
    if isinstance(batch, RankingBatch):
        return task_tensors(batch)
    return {name: tf.convert_to_tensor(getattr(batch, name)) for name in ("item_keys", "log_q", "weights")}
