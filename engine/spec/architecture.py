"""The architectures that a definition can name, each with its settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.spec.document import Document


class TwoTower(Document):
    """Retrieval: user and item towers, in-batch sampled softmax with log-Q correction (Yi et al., RecSys 2019)."""

    kind: Literal["two_tower"] = "two_tower"
    hidden: list[int] = Field(
        default_factory=lambda: [64], max_length=8, description="units of each hidden layer of both towers"
    )
    output_dim: int = Field(default=32, ge=1, le=512)
    temperature: float = Field(default=0.1, gt=0, le=10)
    log_q_correction: bool = True


class DeepFM(Document):
    """Ranking: first-order terms, factorization machine and a deep network over the same embeddings (Guo et al., IJCAI 2017)."""

    kind: Literal["deepfm"] = "deepfm"
    hidden: list[int] = Field(default_factory=lambda: [64, 32], max_length=8)
    num_negatives: int = Field(
        default=4, ge=1, le=100, description="negatives sampled for each action that came without an impression"
    )


Architecture = Annotated[TwoTower | DeepFM, Field(discriminator="kind")]
