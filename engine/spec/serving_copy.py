"""What replicas hold of a model: vectors only, in the precision that the definition chooses."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from engine.spec.document import Document


class Precision(StrEnum):
    """How a replica stores a vector's floats; int8 has one float32 scale for each row."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


class ServingCopy(Document):
    """The vectors in a replica; training always has float32."""

    precision: Precision = Field(
        default=Precision.FLOAT32,
        description="of the vectors in a replica: float16 takes half the memory, int8 about a quarter",
    )
