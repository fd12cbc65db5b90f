"""Types that the settings of several architectures share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from engine.spec.document import Name


class Activation(StrEnum):
    """Of hidden layers. `prelu` learns the slope below 0, `dice` bends where the layer's inputs are (`engine.models.activations`)."""

    RELU = "relu"
    PRELU = "prelu"
    DICE = "dice"


Units = Annotated[int, Field(ge=1, le=8192)]

Hidden = Annotated[list[Units], Field(max_length=8)]
"""Units of each hidden layer, from the inputs up; an empty list for none."""

SlotNames = Annotated[list[Name], Field(max_length=50)]
