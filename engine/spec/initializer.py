"""What a new row's vector is: a pure function of (seed, FID), so that a replay gives the same model to the bit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from engine.spec.document import Document, default_kind

MAX_SCALE = 1.0


class Zeros(Document):
    """Every float is 0."""

    kind: Literal["zeros"] = "zeros"


class Constant(Document):
    """Every float is `scale`."""

    kind: Literal["constant"] = "constant"
    scale: float = Field(default=0.01, ge=-MAX_SCALE, le=MAX_SCALE, description="the value of every float")


class Uniform(Document):
    """Uniform in ±`scale`."""

    kind: Literal["uniform"] = "uniform"
    scale: float = Field(default=0.01, ge=0, le=MAX_SCALE, description="floats are uniform in ± this")


class Normal(Document):
    """Normal with mean 0 and standard deviation `scale`."""

    kind: Literal["normal"] = "normal"
    scale: float = Field(default=0.01, ge=0, le=MAX_SCALE, description="the standard deviation; the mean is 0")


class TruncatedNormal(Document):
    """As `Normal`; a draw beyond two standard deviations is drawn again."""

    kind: Literal["truncated_normal"] = "truncated_normal"
    scale: float = Field(
        default=0.01,
        ge=0,
        le=MAX_SCALE,
        description="the standard deviation before both tails beyond two of it are cut",
    )


Initializer = Annotated[
    Zeros | Constant | Uniform | Normal | TruncatedNormal,
    Field(discriminator="kind"),
    BeforeValidator(default_kind("uniform")),
]
