"""How a run reads, learns and saves."""

from __future__ import annotations

from pydantic import Field

from engine.spec.document import Document


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
