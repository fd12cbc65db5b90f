"""The optimizer of the dense weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.spec.document import Document


class DenseAdam(Document):
    kind: Literal["adam"] = "adam"
    learning_rate: float = Field(default=0.001, gt=0, le=1)
