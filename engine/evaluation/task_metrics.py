"""Metrics of each task of a model with several, over the newest scores of each; and which metrics a kind of task has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.evaluation.auc import Floats, auc
from engine.evaluation.calibration import calibration
from engine.evaluation.errors_of_numbers import (
    mean_absolute_error,
    mean_ratio,
    root_mean_squared_error,
    root_mean_squared_log_error,
)
from engine.evaluation.grouped_auc import grouped_auc
from engine.evaluation.log_loss import log_loss
from engine.evaluation.normalised_entropy import normalised_entropy
from engine.evaluation.sliding import SlidingColumns
from engine.spec.task import BinaryLoss, RegressionTask, Task

Values = dict[str, float | None]

_WINDOW: Final = "task-{}"
_COLUMNS: Final[dict[str, npt.DTypeLike]] = {"score": np.float32, "label": np.float32, "user": np.uint64}


class Says(StrEnum):
    """What a task's prediction is: how likely something is, which comes before which, or a number."""

    PROBABILITY = "probability"
    ORDER = "order"
    NUMBER = "number"


def says(task: Task) -> Says:
    if isinstance(task, RegressionTask):
        return Says.NUMBER
    return Says.PROBABILITY if task.loss is BinaryLoss.BCE else Says.ORDER


def values_of(kind: Says, scores: Floats, labels: Floats, users: npt.NDArray[Any]) -> Values:
    """The metrics of n predictions, float[n], with their labels and whose they are; None where nothing can be said.

    Numbers have `mae`, `rmse`, `rmse_log` and `calibration` (predicted over observed); the others `auc`, `grouped_auc`, and, None
    where scores only order, `log_loss`, `normalised_entropy`, `calibration`.
    """
    if kind is Says.NUMBER:
        return {
            "mae": mean_absolute_error(scores, labels),
            "rmse": root_mean_squared_error(scores, labels),
            "rmse_log": root_mean_squared_log_error(scores, labels),
            "calibration": mean_ratio(scores, labels),
        }
    likely = kind is Says.PROBABILITY
    return {
        "auc": auc(scores, labels),
        "grouped_auc": grouped_auc(scores, labels, users),
        "log_loss": log_loss(scores, labels) if likely else None,
        "normalised_entropy": normalised_entropy(scores, labels) if likely else None,
        "calibration": calibration(scores, labels) if likely else None,
    }


def key_of(task: str, metric: str) -> str:
    """The name of a task's metric among a run's values."""
    return f"tasks.{task}.{metric}"


@dataclass(frozen=True, slots=True)
class TaskScores:
    """n predictions of one task on the scale of its label, with the labels, float[n], and a hash of each one's user, uint64[n]."""

    scores: Floats
    labels: Floats
    users: npt.NDArray[np.uint64]


class TaskMetrics:
    """The newest scores of every task; empty for a model with one task that is no number, whose scores are known already."""

    def __init__(self, tasks: Sequence[Task], window_scores: int) -> None:
        are_told = len(tasks) > 1 or any(says(task) is Says.NUMBER for task in tasks)
        self._kinds = {task.name: says(task) for task in tasks} if are_told else {}
        self._rings = {name: SlidingColumns(window_scores, _COLUMNS) for name in self._kinds}

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def note(self, scored: Mapping[str, TaskScores]) -> None:
        """By task name what a step said before it learned."""
        for name, each in scored.items():
            self._rings[name].push(score=each.scores, label=each.labels, user=each.users)

    def values(self) -> Values:
        """`values_of` each task under the names of `key_of`."""
        found: Values = {}
        for name, ring in self._rings.items():
            columns = ring.columns()
            metrics = values_of(self._kinds[name], columns["score"], columns["label"], columns["user"])
            found |= {key_of(name, metric): value for metric, value in metrics.items()}
        return found

    def windows(self) -> dict[str, pa.Table]:
        """Copies of the windows, by name."""
        return {_WINDOW.format(name): ring.to_arrow() for name, ring in self._rings.items()}

    def restore(self, windows: Mapping[str, pa.Table]) -> None:
        """Take over what another wrote; a task of which it wrote nothing begins anew. Raises ValueError for what is no window."""
        for name, ring in self._rings.items():
            window = windows.get(_WINDOW.format(name))
            if window is not None and not ring.take_over(window):
                raise ValueError(f"window of task {name}: its columns are {window.schema.names}")
