"""Learning rates that change with the step: constant, polynomial and cosine decay, each with an optional linear warm-up.

A field of a document that may hold any of them is declared `LearningRate`; a bare number stands for a constant, in what is
read and in what is written.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WrapSerializer,
    model_validator,
)

from engine.spec.document import Document

Rate = Annotated[float, Field(ge=1e-9, le=10)]
"""A learning rate; never 0, at which nothing learns and FTRL would divide by it."""

MAX_STEPS = 2**53


class Schedule(Document, ABC):
    """A learning rate as a pure function of the number of steps taken before.

    The first `warmup_steps` steps rise in a straight line, `value`·(step + 1)/`warmup_steps`; then the schedule's own
    course begins, at `value`. Its last bit depends on the platform's `math` library, as `cos` and powers do.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    kind: str
    value: Rate = Field(description="of the first step after the warm-up")
    warmup_steps: int = Field(default=0, ge=0, le=MAX_STEPS, description="steps that rise in a straight line to value")

    def at(self, step: int) -> float:
        """The learning rate of the step before which `step` others were taken. Raises `ValueError` when that is negative."""
        if step < 0:
            raise ValueError(f"step must be 0 or more, received {step}")
        if step < self.warmup_steps:
            return self.value * ((step + 1) / self.warmup_steps)
        return self._warm(step - self.warmup_steps)

    @abstractmethod
    def _warm(self, step: int) -> float:
        """The rate so many steps after the warm-up."""


class ConstantRate(Schedule):
    """`value` for ever."""

    kind: Literal["constant"] = "constant"

    def _warm(self, step: int) -> float:  # noqa: ARG002
        return self.value


class Decay(Schedule):
    """From `value` to `final` in `decay_steps` steps after the warm-up, and `final` from then on."""

    final: Rate = Field(description="at the end of the decay and ever after; at most value")
    decay_steps: int = Field(ge=1, le=MAX_STEPS, description="steps from value to final, after the warm-up")

    @model_validator(mode="after")
    def _falls(self) -> Decay:
        if self.final > self.value:
            raise ValueError(f"final must be at most value ({self.value:g}), received {self.final:g}")
        return self

    def _warm(self, step: int) -> float:
        if step >= self.decay_steps:
            return self.final
        return self.final + (self.value - self.final) * self._share_left(step / self.decay_steps)

    @abstractmethod
    def _share_left(self, progress: float) -> float:
        """1 at `progress` 0, 0 at 1: how much of the way down is still to go."""


class PolynomialDecay(Decay):
    """`final` + (`value` - `final`)·(1 - t)^`power`, t from 0 to 1 over the decay; power 1 is a straight line."""

    kind: Literal["polynomial"] = "polynomial"
    power: float = Field(default=1.0, gt=0, le=10, description="1 falls in a straight line, more falls faster at first")

    def _share_left(self, progress: float) -> float:
        return float((1 - progress) ** self.power)


class CosineDecay(Decay):
    """`final` + (`value` - `final`)·(1 + cos πt)/2, t from 0 to 1 over the decay (Loshchilov and Hutter, ICLR 2017)."""

    kind: Literal["cosine"] = "cosine"

    def _share_left(self, progress: float) -> float:
        return (1 + math.cos(math.pi * progress)) / 2


def _number_as_constant(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"kind": "constant", "value": value}
    return value


def _constant_as_number(value: Schedule, handler: SerializerFunctionWrapHandler) -> Any:
    return value.value if value == ConstantRate(value=value.value) else handler(value)


_AnySchedule = Annotated[ConstantRate | PolynomialDecay | CosineDecay, Field(discriminator="kind")]

LearningRate = Annotated[
    _AnySchedule,
    BeforeValidator(_number_as_constant, json_schema_input_type=Rate | _AnySchedule),
    WrapSerializer(_constant_as_number),
]
"""The type of a document's field; `TypeAdapter(LearningRate)` reads one by itself."""
