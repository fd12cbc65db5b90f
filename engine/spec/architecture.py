"""The architectures that a definition can name, each with its settings."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field
from typing_extensions import TypeIs

from engine.spec.document import Document


class Retrieval(Document):
    """What every retrieval architecture has: vectors of users and items whose dot product ranks the catalogue."""

    kind: str
    output_dim: int = Field(default=32, ge=1, le=512)
    temperature: float = Field(default=0.1, gt=0, le=10)
    log_q_correction: bool = True


class Ranking(Document):
    """What every ranking architecture has: one output for each task."""

    kind: str
    num_negatives: int = Field(
        default=4, ge=1, le=100, description="negatives sampled for each action that came without an impression"
    )


class TwoTower(Retrieval):
    """User and item towers, in-batch sampled softmax with log-Q correction (Yi et al., RecSys 2019)."""

    kind: Literal["two_tower"] = "two_tower"
    hidden: list[int] = Field(
        default_factory=lambda: [64], max_length=8, description="units of each hidden layer of both towers"
    )


class DeepFM(Ranking):
    """First-order terms, factorization machine and a deep network over the same embeddings (Guo et al., IJCAI 2017)."""

    kind: Literal["deepfm"] = "deepfm"
    hidden: list[int] = Field(default_factory=lambda: [64, 32], max_length=8)


Architecture = Annotated[TwoTower | DeepFM, Field(discriminator="kind")]

ARCHITECTURES: dict[str, type[Retrieval] | type[Ranking]] = {
    each.model_fields["kind"].default: each for each in get_args(get_args(Architecture)[0])
}
"""Every architecture's document by its kind."""


def is_retrieval(architecture: Retrieval | Ranking) -> TypeIs[Retrieval]:
    """Whether it finds items in the whole catalogue, rather than scores those that were found."""
    return isinstance(architecture, Retrieval)


def kinds_of_retrieval() -> list[str]:
    return [kind for kind, each in ARCHITECTURES.items() if issubclass(each, Retrieval)]


def kinds_of_ranking() -> list[str]:
    return [kind for kind, each in ARCHITECTURES.items() if issubclass(each, Ranking)]
