"""Types that the settings of several architectures share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engine.spec.document import Name

Units = Annotated[int, Field(ge=1, le=8192)]

Hidden = Annotated[list[Units], Field(max_length=8)]
"""Units of each hidden layer, from the inputs up; an empty list for none."""

SlotNames = Annotated[list[Name], Field(max_length=50)]
