"""What a replica is told to serve."""

from __future__ import annotations

from dataclasses import dataclass

from engine.spec.definition import ModelDefinition
from engine.spec.schema import Schema


@dataclass(frozen=True, slots=True)
class ModelRef:
    """One version of one model, with the definition that version was made from."""

    name: str
    version: int
    definition: ModelDefinition


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """Without a retrieval model candidates are co-occurring, trending, latest and random; without a ranking model retrieval's order."""

    project: str
    name: str
    schema: Schema
    retrieval: ModelRef | None = None
    ranking: ModelRef | None = None
