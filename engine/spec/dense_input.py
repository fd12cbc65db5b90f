"""A dense input: one number of an example, and how it is scaled."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from engine.spec.document import Document, Name
from engine.spec.slot import Source


class DenseTransform(StrEnum):
    """`log1p` is sign(x)·ln(1+|x|). `standardise` takes the running mean from x and divides by the running standard deviation;
    `log1p_standardise` does so with the logarithm, for numbers of many sizes such as counts and prices.
    """

    IDENTITY = "identity"
    LOG1P = "log1p"
    STANDARDISE = "standardise"
    LOG1P_STANDARDISE = "log1p_standardise"

    @property
    def takes_log(self) -> bool:
        return self in (DenseTransform.LOG1P, DenseTransform.LOG1P_STANDARDISE)

    @property
    def standardises(self) -> bool:
        return self in (DenseTransform.STANDARDISE, DenseTransform.LOG1P_STANDARDISE)


class DenseInput(Document):
    """One floating-point input, or the numbers of a vector; a missing value is 0.0 after the transform."""

    name: Name = Field(description="what the definition calls it")
    source: Source = Field(description="where the number comes from")
    transform: DenseTransform = Field(
        default=DenseTransform.IDENTITY,
        description="log1p for counts and prices; standardise brings numbers of any size to about ±1",
    )
    dim: int = Field(default=1, ge=1, le=4096, description="columns: 1, or the dim of a vector property")
