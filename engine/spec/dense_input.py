"""A dense input: one number of an example, and how it is scaled."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from engine.spec.document import Document, Name
from engine.spec.slot import Source


class DenseTransform(StrEnum):
    IDENTITY = "identity"
    LOG1P = "log1p"


class DenseInput(Document):
    """One floating-point input; a missing value is 0.0. `log1p` is sign(x)·ln(1+|x|)."""

    name: Name
    source: Source
    transform: DenseTransform = DenseTransform.IDENTITY
    dim: int = Field(default=1, ge=1, le=4096, description="columns: 1, or the dim of a vector property")
