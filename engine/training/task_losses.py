"""The losses of all tasks together: what a ranking step minimises, and what it takes for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from engine.models.outputs import predictions, transformed
from engine.spec.definition import Task
from engine.spec.task import BinaryLoss, RegressionTask
from engine.training.losses import (
    corrected_cross_entropy,
    correcting_weights,
    listwise_loss,
    pairwise_loss,
    regression_loss,
)
from engine.training.ranking_labels import is_ordered
from engine.training.training_batch import RankingBatch

_ROWS = tf.TensorSpec([None], tf.int32)


@dataclass(frozen=True, slots=True)
class StepLoss:
    """`total` is minimised, `mean` is told; scores and labels, for the metrics, are float32[s], of a ranking step float32[p, num_tasks]."""

    total: Any
    mean: Any
    scores: Any
    labels: Any


def task_signature(tasks: Sequence[Task], *, with_rows: bool, with_corrections: bool = False) -> dict[str, Any]:
    """Of what `task_tensors` gives."""
    rows = {"user_rows": _ROWS, "item_rows": _ROWS} if with_rows else {}
    return {
        "columns": tf.TensorSpec([None, 1 + 3 * len(tasks) + with_corrections], tf.float32),
        "ordered": {task.name: tf.TensorSpec([None, 2], tf.int32) for task in tasks if is_ordered(task)},
        **rows,
    }


def task_tensors(batch: RankingBatch, *, with_rows: bool, with_corrections: bool = False) -> dict[str, Any]:
    """What the losses take of a batch, with `with_rows` which rows its pairs are of, and with `with_corrections` which correct others.

    What each pair has is one matrix, as `task_columns` takes it apart: every tensor handed over takes some 30 microseconds.
    """
    parts = [batch.weights[:, np.newaxis], batch.labels, batch.known, batch.sampling_rates]
    if with_corrections:
        corrects = np.zeros(len(batch.weights), np.bool_) if batch.corrects is None else batch.corrects
        parts.append(corrects[:, np.newaxis])
    columns = np.concatenate(parts, axis=1)
    rows = {name: tf.convert_to_tensor(getattr(batch, name)) for name in ("user_rows", "item_rows") if with_rows}
    return {
        "columns": tf.convert_to_tensor(columns.astype(np.float32, copy=False)),
        "ordered": {name: tf.convert_to_tensor(pairs) for name, pairs in batch.ordered.items()},
        **rows,
    }


def task_columns(tasks: Sequence[Task], tensors: dict[str, Any]) -> dict[str, Any]:
    """weights float32[p]; labels, known and sampling_rates [p, num_tasks]; `ordered`; where it was handed over `corrects` float32[p].

    Runs inside the compiled step.
    """
    num_corrections = tensors["columns"].shape[1] - 1 - 3 * len(tasks)
    sizes = [1, *[len(tasks)] * 3, num_corrections]
    weights, labels, known, rates, corrects = tf.split(tensors["columns"], sizes, axis=1)
    columns = {"weights": weights[:, 0], "labels": labels, "known": known > 0.5, "sampling_rates": rates}
    if num_corrections:
        columns["corrects"] = corrects[:, 0]
    return columns | {"ordered": tensors["ordered"]}


def task_losses(tasks: Sequence[Task], logits: Any, extra: dict[str, Any]) -> StepLoss:
    """`total`: over tasks and rows the sum of task weight · row weight · loss where the label is known; `mean`: of each task's mean.

    logits float32[p, num_tasks]; `extra` as `task_columns` gives it. Scores are each task's predictions on the scale of its label, of which
    probabilities are those among the rows as sampled.
    """
    corrected = logits - tf.math.log(extra["sampling_rates"])
    total = mean = tf.constant(0.0)
    for place, task in enumerate(tasks):
        losses, counts = _of_task(task, place, logits, corrected, extra)
        counts *= extra["weights"]
        weighted = tf.reduce_sum(losses * counts)
        total += task.weight * weighted
        mean += task.weight * tf.math.divide_no_nan(weighted, tf.reduce_sum(counts))
    return StepLoss(total, mean, _predicted(tasks, logits, corrected), extra["labels"])


def _predicted(tasks: Sequence[Task], logits: Any, corrected: Any) -> Any:
    """As `predictions`, of logits corrected for sampling where that means something: a number is not of how many rows were kept."""
    is_number = tf.constant([[isinstance(task, RegressionTask) for task in tasks]])
    return predictions(tasks, tf.where(is_number, logits, corrected))


def _of_task(task: Task, place: int, logits: Any, corrected: Any, extra: dict[str, Any]) -> tuple[Any, Any]:
    """The loss of each row and whether it counts, float32[p] both."""
    known = tf.cast(extra["known"][:, place], tf.float32)
    labels = extra["labels"][:, place]
    if isinstance(task, RegressionTask):
        return regression_loss(task.loss, logits[:, place], transformed(task.transform, labels)), known
    if task.loss is BinaryLoss.BCE:
        rates = extra["sampling_rates"][:, place]
        if "corrects" in extra:
            # A label of the row that is 0 corrects nothing.
            does = extra["corrects"] * labels
            known *= 1.0 + does * (correcting_weights(logits[:, place], rates) - 1.0)
        return corrected_cross_entropy(logits[:, place], labels, rates), known
    pairs = extra["ordered"][task.name]
    compared = tf.math.unsorted_segment_max(tf.ones_like(pairs[:, 0]), pairs[:, 0], tf.shape(logits)[0])
    of_pairs = pairwise_loss if task.loss is BinaryLoss.PAIRWISE else listwise_loss
    return of_pairs(corrected[:, place], pairs), tf.cast(compared > 0, tf.float32)
