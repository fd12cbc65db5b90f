"""The optimizer of embedding rows. Its state lies in the row beside the vector, so each id learns at its own pace.

In the formulas g is the row's summed gradient after clipping, w the vector, lr the learning rate of the step. The bounds keep
a value that is positive, or below 1, so when the engine holds it as a 32-bit float.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from engine.spec.document import Document, default_kind
from engine.spec.initializer import Initializer, Uniform
from engine.spec.learning_rate import ConstantRate, LearningRate

SMALLEST = 1e-12

Decay = Annotated[float, Field(ge=0, le=0.999999)]
"""A share of a moving average that stays: momentum, beta1, beta2, rho."""
Positive = Annotated[float, Field(ge=SMALLEST, le=1e30)]
Penalty = Annotated[float, Field(ge=0, le=1e6)]


class RowOptimizer(Document):
    """What every optimizer of rows has."""

    model_config = ConfigDict(allow_inf_nan=False)

    kind: str
    learning_rate: LearningRate = Field(
        default_factory=lambda: ConstantRate(value=0.05),
        description="how far a row goes along its gradient: a number, or a schedule over the steps of training",
    )
    clip_value: Positive | None = Field(
        default=None, description="first, each float of a row's gradient is kept within ± this; without it: never"
    )
    clip_norm: Positive | None = Field(
        default=None, description="a row's gradient is then scaled down to at most this length; without it: never"
    )
    initializer: Initializer = Field(default_factory=Uniform, description="what a new row's vector is")


class DecayingOptimizer(RowOptimizer):
    """Those of which the vector itself is stored, so that it can decay beside the step (Loshchilov & Hutter, ICLR 2019)."""

    weight_decay: float = Field(
        default=0.0, ge=0, le=1, description="an updated row also loses learning rate × this of its vector"
    )


class SparseSGD(DecayingOptimizer):
    """w -= lr·g."""

    kind: Literal["sgd"] = "sgd"


class SparseMomentum(DecayingOptimizer):
    """v = momentum·v + g; w -= lr·v, or lr·(g + momentum·v) with Nesterov's look ahead (Sutskever et al., ICML 2013)."""

    kind: Literal["momentum"] = "momentum"
    momentum: Decay = Field(default=0.9, description="the share of the velocity that stays")
    nesterov: bool = Field(default=False, description="look one step ahead")


class SparseAdagrad(DecayingOptimizer):
    """n += g²; w -= lr·g/√n (Duchi et al., JMLR 2011)."""

    kind: Literal["adagrad"] = "adagrad"
    initial_accumulator: Positive = Field(default=0.1, description="n of a new row; larger starts slower")

    @model_validator(mode="before")
    @classmethod
    def _older_spelling(cls, value: Any) -> Any:
        """Definitions written before there were initializers say `init_scale`."""
        if not isinstance(value, dict) or "init_scale" not in value or "initializer" in value:
            return value
        rest = {name: part for name, part in value.items() if name != "init_scale"}
        return {**rest, "initializer": {"kind": "uniform", "scale": value["init_scale"]}}


class SparseAdam(DecayingOptimizer):
    """m, v: moving averages of g, g²; w -= lr·m̂/(√v̂ + ε), corrected for each row's own steps (Kingma & Ba, ICLR 2015)."""

    kind: Literal["adam"] = "adam"
    beta1: Decay = Field(default=0.9, description="the share of the gradient's average that stays")
    beta2: Decay = Field(default=0.999, description="the share of the squared gradient's average that stays")
    epsilon: Positive = Field(default=1e-8, description="keeps the division from zero")


class SparseAMSGrad(DecayingOptimizer):
    """As Adam, dividing by the largest v that the row has seen (Reddi et al., ICLR 2018)."""

    kind: Literal["amsgrad"] = "amsgrad"
    beta1: Decay = Field(default=0.9, description="the share of the gradient's average that stays")
    beta2: Decay = Field(default=0.999, description="the share of the squared gradient's average that stays")
    epsilon: Positive = Field(default=1e-8, description="keeps the division from zero")


class SparseAdaDelta(DecayingOptimizer):
    """Steps as long as recent steps were, by moving averages of g² and of squared steps (Zeiler, 2012)."""

    kind: Literal["adadelta"] = "adadelta"
    rho: Decay = Field(default=0.95, description="the share of both averages that stays")
    epsilon: Positive = Field(
        default=1e-6, description="keeps the division from zero and the first steps from being none"
    )


class SparseRMSProp(DecayingOptimizer):
    """v: moving average of g²; d = g/√(v + ε); w -= lr·d, or lr times a velocity of d (Tieleman & Hinton, 2012)."""

    kind: Literal["rmsprop"] = "rmsprop"
    rho: Decay = Field(default=0.9, description="the share of the squared gradient's average that stays")
    momentum: Decay = Field(default=0.0, description="the share of the velocity that stays; 0: no velocity")
    epsilon: Positive = Field(default=1e-7, description="keeps the division from zero")


class ProximalOptimizer(RowOptimizer):
    """What both FTRL-proximal optimizers have. Their vector follows from sums of gradients, so `l2` is their decay."""

    l1: Penalty = Field(default=0.0, description="pulls what carries nothing to exactly zero")
    l2: Penalty = Field(default=0.0, description="shrinks vectors")
    beta: Penalty = Field(default=0.0, description="added to the root of the accumulator: slower first steps")
    learning_rate_power: float = Field(
        default=-0.5, ge=-1, le=0, description="the accumulator's power in the learning rate; -0.5 is Adagrad's"
    )
    initial_accumulator: float = Field(default=0.1, ge=0, le=1e30, description="of a new row; larger starts slower")

    @model_validator(mode="after")
    def _first_step_finite(self) -> Self:
        if self.initial_accumulator < SMALLEST and self.beta < SMALLEST:
            raise ValueError(
                "initial_accumulator must be positive where beta is not, or a first step would be infinite"
            )
        return self


class SparseFTRL(ProximalOptimizer):
    """FTRL-proximal; its L1 works on each float of a vector by itself (McMahan et al., KDD 2013)."""

    kind: Literal["ftrl"] = "ftrl"


class SparseGroupFTRL(ProximalOptimizer):
    """FTRL-proximal with a group lasso: the L1 is on the length of the row, which becomes zero as a whole (Yuan & Lin, 2006)."""

    kind: Literal["group_ftrl"] = "group_ftrl"


SparseOptimizer = Annotated[
    SparseSGD
    | SparseMomentum
    | SparseAdagrad
    | SparseAdam
    | SparseAMSGrad
    | SparseAdaDelta
    | SparseRMSProp
    | SparseFTRL
    | SparseGroupFTRL,
    Field(discriminator="kind"),
    BeforeValidator(default_kind("adagrad")),
]
