"""Tasks: what a model learns to predict."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from engine.spec.document import Document, Name, default_kind


class BinaryLoss(StrEnum):
    """`bce` gives probabilities; `pairwise` and `listwise` order a user's items and say nothing of how likely they are."""

    BCE = "bce"
    PAIRWISE = "pairwise"
    LISTWISE = "listwise"


class RegressionLoss(StrEnum):
    """`huber` is square up to a distance of 1 and linear beyond; `mse` is square."""

    HUBER = "huber"
    MSE = "mse"


class TargetTransform(StrEnum):
    """The scale on which a number is learned: as it is, or sign(y)·ln(1+|y|)."""

    IDENTITY = "identity"
    LOG1P = "log1p"


class BinaryTask(Document):
    """Did an event of this type follow?"""

    kind: Literal["binary"] = "binary"
    name: Name = Field(default="click", description="what metrics and scores call it")
    event_type: Name = Field(default="click", description="the type of event that it predicts")
    weight: float = Field(default=1.0, gt=0, le=1000, description="of this task's loss beside the others'")
    loss: BinaryLoss = Field(
        default=BinaryLoss.BCE,
        description="bce for probabilities; pairwise or listwise for nothing but the order of each user's items",
    )

    def label(self) -> str:
        """The task's key in `Example.labels`; an example without it says nothing to the task."""
        return self.event_type


class RegressionTask(Document):
    """What was this number of the event, where it came?"""

    kind: Literal["regression"] = "regression"
    name: Name = Field(default="click", description="what metrics and scores call it")
    event_type: Name = Field(default="click", description="the type of event that it predicts")
    weight: float = Field(default=1.0, gt=0, le=1000, description="of this task's loss beside the others'")
    property: Name = Field(description="the number of the event to predict, as seconds watched")
    transform: TargetTransform = Field(default=TargetTransform.LOG1P, description="the scale on which it is learned")
    loss: RegressionLoss = Field(
        default=RegressionLoss.HUBER, description="huber lets single wild numbers pull less; mse is square"
    )

    def label(self) -> str:
        """The task's key in `Example.labels`; an example without it says nothing to the task."""
        return f"{self.event_type}.{self.property}"


Task = Annotated[BinaryTask | RegressionTask, Field(discriminator="kind"), BeforeValidator(default_kind("binary"))]
