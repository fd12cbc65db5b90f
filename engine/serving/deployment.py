"""What a replica is told to serve."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.spec.definition import ModelDefinition
from engine.spec.deployment import DeploymentDocument
from engine.spec.schema import Schema


@dataclass(frozen=True, slots=True)
class ModelRef:
    """One version of one model, with the definition that version was made from."""

    name: str
    version: int
    definition: ModelDefinition


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """Without a retrieval model candidates are co-occurring, trending, latest and random; without a ranking model retrieval's order.

    `document` says how candidates are gathered, ordered and ruled over; `revision` is its number.
    """

    project: str
    name: str
    schema: Schema
    retrieval: ModelRef | None = None
    ranking: ModelRef | None = None
    document: DeploymentDocument = field(default_factory=DeploymentDocument)
    revision: int = 0
