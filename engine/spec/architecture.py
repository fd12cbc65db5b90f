"""The architectures that a definition can name."""

from __future__ import annotations

from typing import Annotated, TypeGuard, get_args

from pydantic import Field

from engine.spec.ranking import (
    DIN,
    DLRM,
    PLE,
    AutoInt,
    DCNv2,
    DeepFM,
    FactorizationMachine,
    LogisticRegression,
    MMoE,
    Ranking,
    WideDeep,
    XDeepFM,
)
from engine.spec.retrieval import MatrixFactorisation, Retrieval, SASRec, TwoTower

Architecture = Annotated[
    TwoTower
    | MatrixFactorisation
    | SASRec
    | LogisticRegression
    | FactorizationMachine
    | DeepFM
    | WideDeep
    | DCNv2
    | XDeepFM
    | AutoInt
    | DIN
    | DLRM
    | MMoE
    | PLE,
    Field(discriminator="kind"),
]

ARCHITECTURES: dict[str, type[Retrieval] | type[Ranking]] = {
    each.model_fields["kind"].default: each for each in get_args(get_args(Architecture)[0])
}
"""Every architecture's document by its kind."""


def is_retrieval(architecture: Retrieval | Ranking) -> TypeGuard[Retrieval]:
    """Whether it finds items in the whole catalogue, rather than scores those that were found."""
    return isinstance(architecture, Retrieval)


def kinds_of_retrieval() -> list[str]:
    return [kind for kind, each in ARCHITECTURES.items() if issubclass(each, Retrieval)]


def kinds_of_ranking() -> list[str]:
    return [kind for kind, each in ARCHITECTURES.items() if issubclass(each, Ranking)]
