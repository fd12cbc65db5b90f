"""How a run reads, learns and saves."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from engine.spec.document import Document


def _is_property(source: str) -> str:
    if source in {"user.id", "item.id", "user.history", "event.time"}:
        raise ValueError(f"must be a declared property, received {source}")
    return source


SliceSource = Annotated[
    str, StringConstraints(pattern=r"^(user|item|event)\.[a-z][a-z0-9_]{0,62}$"), AfterValidator(_is_property)
]
"""A property by whose values metrics are shown: `user.<property>`, `item.<property>`, `event.<property>`."""


class Training(Document):
    batch_size: int = Field(default=512, ge=1, le=65_536)
    linger_s: float = Field(default=0.2, ge=0, le=60, description="online: the longest a partly filled batch waits")
    seed: int = Field(default=17, ge=0, lt=2**63)
    checkpoint_every_s: float = Field(default=30.0, gt=0)
    evaluate_fraction: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of positive examples ranked against the catalogue for HR@k before they are learned",
    )
    slices: list[SliceSource] = Field(
        default_factory=list,
        max_length=8,
        description="properties by whose values metrics are shown too, such as event.device: 20 values of each, and the rest as one",
    )
