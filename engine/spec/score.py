"""What items are ranked by: the first task's prediction, or several tasks' predictions together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from engine.spec.document import Document, Name, default_kind
from engine.spec.task import Task

Exponent = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=-1000, le=1000, allow_inf_nan=False)]


class FirstTask(Document):
    """The first task's prediction."""

    kind: Literal["first_task"] = "first_task"

    def check(self, tasks: Sequence[Task]) -> None:
        """Raise ValueError when the weights are not of the definition's tasks."""


class ProductScore(Document):
    """Π prediction ^ weight over the tasks named: every one of them has to be good."""

    kind: Literal["product"] = "product"
    weights: dict[Name, Exponent] = Field(
        min_length=1, max_length=8, description="the power of each task's prediction, as click: 1, dwell: 0.3"
    )

    def check(self, tasks: Sequence[Task]) -> None:
        """Raise ValueError when the weights are not of the definition's tasks."""
        _check_names(self.weights, tasks)


class SumScore(Document):
    """Σ weight · prediction over the tasks named; what is not wanted has a weight below 0."""

    kind: Literal["sum"] = "sum"
    weights: dict[Name, Factor] = Field(
        min_length=1, max_length=8, description="the factor of each task's prediction, as click: 1, complaint: -5"
    )

    def check(self, tasks: Sequence[Task]) -> None:
        """Raise ValueError when the weights are not of the definition's tasks."""
        _check_names(self.weights, tasks)


Score = Annotated[
    FirstTask | ProductScore | SumScore, Field(discriminator="kind"), BeforeValidator(default_kind("first_task"))
]


def _check_names(weights: dict[str, float], tasks: Sequence[Task]) -> None:
    names = [task.name for task in tasks]
    unknown = sorted(set(weights) - set(names))
    if unknown:
        raise ValueError(f"score.weights must name tasks, of {', '.join(names)}; received {', '.join(unknown)}")
