"""Metrics of each task of a model with several: the curves of one at a time, and all of them in a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from engine.spec.architecture import kinds_of_retrieval
from engine.spec.definition import ModelDefinition
from engine.spec.task import BinaryLoss, BinaryTask, Task
from webapp.training.models import Run
from webapp.training.run_charts import NUMBER, ORDER, PROBABILITY, Chart

_COLUMNS: Final = (
    ("auc", "AUC"),
    ("grouped_auc", "AUC by user"),
    ("log_loss", "Log loss"),
    ("normalised_entropy", "Norm. entropy"),
    ("mae", "MAE"),
    ("rmse", "RMSE"),
    ("rmse_log", "RMSE of ln"),
    ("calibration", "Calibration"),
)


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task by its name, what it predicts in words, and its charts, whose series are keys of the run's values."""

    name: str
    predicts: str
    charts: list[Chart]


def tasks_of(run: Run) -> list[TaskView]:
    """Every task whose metrics are told apart; none of a model with one that is no number, and none of a retrieval model."""
    document = run.model_version.document
    if document["architecture"]["kind"] in kinds_of_retrieval():
        return []
    tasks = ModelDefinition.parse(document).tasks
    if len(tasks) == 1 and isinstance(tasks[0], BinaryTask):
        return []
    return [TaskView(task.name, _predicts(task), _charts(task)) for task in tasks]


def task_table(run: Run) -> dict[str, Any] | None:
    """The newest metrics: a row for each task, a column for each metric that any has; None before there are any."""
    tasks, latest = tasks_of(run), run.latest
    shown = [
        (key, label)
        for key, label in _COLUMNS
        if any(latest.get(f"tasks.{task.name}.{key}") is not None for task in tasks)
    ]
    if not shown:
        return None
    rows = [{"task": task, "cells": [latest.get(f"tasks.{task.name}.{key}") for key, _ in shown]} for task in tasks]
    return {"columns": [label for _, label in shown], "rows": rows}


def _predicts(task: Task) -> str:
    if not isinstance(task, BinaryTask):
        return f"{task.property} of {task.event_type}"
    return f"whether {task.event_type} follows" if task.loss is BinaryLoss.BCE else f"the order by {task.event_type}"


def _charts(task: Task) -> list[Chart]:
    charts = NUMBER if not isinstance(task, BinaryTask) else PROBABILITY if task.loss is BinaryLoss.BCE else ORDER
    return [each.of_task(task.name) for each in charts]
