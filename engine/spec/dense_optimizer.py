"""The optimizer of the dense weights.

In the formulas g is a weight's gradient after clipping, w the weight, lr the learning rate of the step.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from engine.spec.document import Document, default_kind
from engine.spec.learning_rate import ConstantRate, LearningRate
from engine.spec.sparse_optimizer import Decay, Positive


class NetworkOptimizer(Document):
    """What every optimizer of dense weights has."""

    model_config = ConfigDict(allow_inf_nan=False)

    kind: str
    learning_rate: LearningRate = Field(
        default_factory=lambda: ConstantRate(value=0.001),
        description="how far a weight goes along its gradient: a number, or a schedule over the steps of training",
    )
    clip_norm: Positive | None = Field(
        default=None,
        description="all gradients together are scaled down to at most this length (Pascanu et al., ICML 2013); without it: never",
    )


class DenseAdam(NetworkOptimizer):
    """m, v: moving averages of g, g²; w -= lr·m̂/(√v̂ + ε), corrected for the number of steps (Kingma & Ba, ICLR 2015)."""

    kind: Literal["adam"] = "adam"
    beta1: Decay = Field(default=0.9, description="the share of the gradient's average that stays")
    beta2: Decay = Field(default=0.999, description="the share of the squared gradient's average that stays")
    epsilon: Positive = Field(default=1e-7, description="keeps the division from zero")


class DenseAdamW(DenseAdam):
    """Adam, and beside its step w -= lr·weight_decay·w (Loshchilov & Hutter, ICLR 2019). Biases decay too."""

    kind: Literal["adamw"] = "adamw"  # type: ignore[assignment]  # pydantic: another kind of the same fields
    weight_decay: float = Field(
        default=0.01, ge=0, le=1, description="each step takes learning rate × this of a weight"
    )


class DenseAdagrad(NetworkOptimizer):
    """n += g²; w -= lr·g/√n (Duchi et al., JMLR 2011)."""

    kind: Literal["adagrad"] = "adagrad"
    initial_accumulator: Positive = Field(default=0.1, description="n at the start; larger starts slower")


class DenseMomentum(NetworkOptimizer):
    """v = momentum·v + g; w -= lr·v, or lr·(g + momentum·v) with Nesterov's look ahead (Sutskever et al., ICML 2013).

    A momentum of 0 is plain stochastic gradient descent.
    """

    kind: Literal["sgd"] = "sgd"
    momentum: Decay = Field(default=0.9, description="the share of the velocity that stays; 0: none")
    nesterov: bool = Field(default=False, description="look one step ahead")


DenseOptimizer = Annotated[
    DenseAdam | DenseAdamW | DenseAdagrad | DenseMomentum,
    Field(discriminator="kind"),
    BeforeValidator(default_kind("adam")),
]
