"""One training step: rows gathered from the C++ table, a compiled TensorFlow step, gradients applied back to the table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import tensorflow as tf

from engine.embedding.store import EmbeddingStore
from engine.embedding.table import Batch, Plan
from engine.features.encoded import EncodedBatch, FloatArray
from engine.models.architecture import RankingArchitecture, RetrievalArchitecture
from engine.models.handover import FloatBuffers
from engine.models.inputs import InputLayout, SparseBatch
from engine.models.pair_matrix import PairMatrix, RowsOf
from engine.models.signature import by_side
from engine.spec.architecture import is_retrieval
from engine.spec.definition import ModelDefinition, Side
from engine.spec.training_settings import LatePositives
from engine.training.dense_optimizer import DenseOptimizer
from engine.training.retrieval_losses import retrieval_loss
from engine.training.sparse_update import SparseUpdate
from engine.training.step_inputs import InputsBySide, InputsOfPairs, rows_of_pairs
from engine.training.step_times import COMPILE, StepTimes
from engine.training.task_losses import StepLoss, task_columns, task_losses, task_signature, task_tensors
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


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """A batch's values laid out without their times, and the plan of each table's; `sides` are what they were made of."""

    sides: Mapping[Side, EncodedBatch]
    sparse: SparseBatch
    plans: dict[str, Plan]


class TrainStep:
    """Learns from batches. `num_traces` counts compilations, which do not depend on batch sizes: one, and one more for a ranking model
    that is given its sides apart (`StepInputs`) and gets batches with drawn items and batches without. `compiled_s` counts the seconds
    inside compiled functions; the rest of a step is the table and the way between it and TensorFlow.

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
        *,
        times: StepTimes | None = None,
    ) -> None:
        """`clock` in seconds; `times` is told what each part of a step took."""
        self._clock = clock
        self._times = times or StepTimes(clock)
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
        self._inputs: InputsOfPairs | InputsBySide = (
            InputsOfPairs(self._layout)
            if PairMatrix.fits(self._layout)
            else InputsBySide(self._layout, architecture.scaling)
        )
        self._steps: dict[bool, Any] = {}

    def plan(self, sides: Mapping[Side, EncodedBatch], into: Mapping[str, Plan] | None = None) -> PlannedBatch:
        """What a step needs of a batch's encoded sides alone. To be called on any thread, while another batch is learned.

        No state has a part in it, and it leaves none: sightings, admissions and evictions keep their order. `into` has plans by table
        whose memory is used again.
        """
        sparse = self._layout.sparse_batch(sides)
        plans = {
            table: self._store.tables[table].plan(each.fids, None if into is None else into.get(table))
            for table, each in sparse.values.items()
        }
        return PlannedBatch(sides, sparse, plans)

    def learn(self, batch: RankingBatch | RetrievalBatch, planned: PlannedBatch | None = None) -> StepResult:
        """Score the batch, then learn from it. `planned` is what `plan` answered for its very sides; of others it is left aside."""
        pairs = batch.pairs if isinstance(batch, RankingBatch) else None
        sides = by_side(self._layout, batch.user, batch.items, pairs)
        plans: Mapping[str, Plan] = {}
        if planned is not None and all(planned.sides.get(side) is each for side, each in sides.items()):
            sparse, plans = self._layout.stamped(planned.sparse, batch.seen_at_s), planned.plans
        else:
            sparse = self._layout.sparse_batch(sides, batch.seen_at_s)
        self._times.lap("encode")
        sighted = {
            table: self._store.tables[table].sight(each.fids, each.slots, each.seen_at_s, plans.get(table))
            for table, each in sparse.values.items()
        }
        rows = {table: self._gather(table, each) for table, each in sighted.items()}
        self._times.lap("lookup")
        of = _rows_of(batch)
        tensors = self._inputs.tensors(sparse, rows, sighted, of)
        num_steps_known = len(self._steps)
        step = self._step(are_pairs=of[Side.USER] is None)
        is_first = len(self._steps) > num_steps_known
        extra = self._extra_tensors(batch)
        started_s = self._clock()
        loss, scores, labels, input_gradients, num_steps = step(tensors, extra)
        mean_loss = float(loss.numpy())
        finite = math.isfinite(mean_loss)
        self.compiled_s += self._clock() - started_s
        self._times.lap(COMPILE if is_first else "dense")
        if finite:
            gradients = self._inputs.row_gradients(sparse, sighted, of, input_gradients)
            self._update_rows.apply(sighted, sparse.values, gradients, int(num_steps.numpy()))
        self._times.lap("apply")
        self._times.count_step()
        by_row = scores.numpy()
        if not isinstance(batch, RankingBatch):
            return StepResult(mean_loss, by_row, labels.numpy(), finite)
        known = batch.known[:, 0]
        return StepResult(mean_loss, by_row[known, 0], batch.labels[known, 0], finite, by_row)

    def _step(self, *, are_pairs: bool) -> Any:
        """The compiled function, called as it is: tf.function's own look at every argument takes a tenth of a millisecond."""
        are_pairs = are_pairs or isinstance(self._inputs, InputsOfPairs)
        if are_pairs not in self._steps:
            signature = [self._inputs.signature, self._extra_signature()]
            function = tf.function(partial(self._learned, are_pairs), input_signature=signature, autograph=False)
            self._steps[are_pairs] = function.get_concrete_function()
        return self._steps[are_pairs]

    def _gather(self, table: str, batch: Batch) -> FloatArray:
        """The batch's rows, zeros for FIDs that have not earned one, in memory that the next step uses again."""
        gathered = self._store.tables[table]
        return gathered.gather(batch, self._rows.of(table, (batch.num_unique, gathered.dim)))

    def _extra_signature(self) -> dict[str, Any]:
        if isinstance(self._architecture, RankingArchitecture):
            return task_signature(self._definition.tasks, **self._extra_wanted())
        return {"item_keys": tf.TensorSpec([None], tf.int64), "log_q": _FLOAT_ROWS, "weights": _FLOAT_ROWS}

    def _extra_tensors(self, batch: RankingBatch | RetrievalBatch) -> dict[str, Any]:
        if isinstance(batch, RankingBatch):
            return task_tensors(batch, **self._extra_wanted())
        return {name: tf.convert_to_tensor(getattr(batch, name)) for name in ("item_keys", "log_q", "weights")}

    def _extra_wanted(self) -> dict[str, bool]:
        corrects = self._definition.training.late_positives is LatePositives.CORRECTED
        return {"with_rows": isinstance(self._inputs, InputsBySide), "with_corrections": corrects}

    def _ranking_loss(self, are_pairs: bool, tensors: Any, extra: dict[str, Any]) -> StepLoss:
        model = self._architecture
        assert isinstance(model, RankingArchitecture)
        if isinstance(self._inputs, InputsOfPairs):
            together = self._inputs.pairs(tensors)
        else:
            rows: tuple[Any, Any] = (None, None) if are_pairs else (extra["user_rows"], extra["item_rows"])
            together = self._inputs.pairs(tensors, *rows)
        tasks = self._definition.tasks
        return task_losses(tasks, model.logits(together), task_columns(tasks, extra))

    def _retrieval_loss(self, tensors: Any, extra: dict[str, Any]) -> StepLoss:
        model = self._architecture
        assert isinstance(model, RetrievalArchitecture) and isinstance(self._inputs, InputsBySide)
        sides = self._inputs.sides(tensors)
        user_vectors, item_vectors = model.user_vectors(sides[Side.USER]), model.item_vectors(sides[Side.ITEM])
        cosines = tf.matmul(user_vectors, item_vectors, transpose_b=True)
        settings = self._definition.architecture
        assert is_retrieval(settings)
        loss = retrieval_loss(settings, cosines, extra["item_keys"], extra["log_q"])
        weighted = tf.reduce_sum(loss * extra["weights"])
        mean = tf.math.divide_no_nan(weighted, tf.reduce_sum(extra["weights"]))
        return StepLoss(weighted, mean, *_compared(cosines, extra["item_keys"]))

    def _learned(self, are_pairs: bool, tensors: Any, extra: dict[str, Any]) -> Any:
        """The compiled step: loss, scores and labels, gradients of what was pooled, steps taken before; new dense weights."""
        self.num_traces += 1
        learned = self._inputs.learned(tensors)
        with tf.GradientTape() as tape, self._architecture.learning() as observed:
            tape.watch(learned)
            if isinstance(self._architecture, RankingArchitecture):
                found = self._ranking_loss(are_pairs, tensors, extra)
            else:
                found = self._retrieval_loss(tensors, extra)
        dense = [variable.value for variable in self._variables]
        input_gradients, dense_gradients = tape.gradient(
            found.total, (learned, dense), unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        finite = tf.math.is_finite(found.total)
        num_steps = self._dense_optimizer.apply(
            [tf.convert_to_tensor(gradient) for gradient in dense_gradients], dense, finite
        )
        for variable, moments in observed:
            variable.value.assign(tf.where(finite, moments, variable.value))
        return (
            found.mean,
            found.scores,
            found.labels,
            tf.nest.map_structure(tf.convert_to_tensor, input_gradients),
            num_steps,
        )


def _rows_of(batch: RankingBatch | RetrievalBatch) -> RowsOf:
    if isinstance(batch, RankingBatch):
        return rows_of_pairs(batch.user_rows, batch.item_rows, batch.user.num_rows)
    return dict.fromkeys(Side)


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
