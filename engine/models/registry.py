"""From a definition to its architecture."""

from __future__ import annotations

from engine.models.deepfm import RankingModel
from engine.models.two_tower import RetrievalModel
from engine.spec.definition import ModelDefinition, TwoTower


def build_architecture(definition: ModelDefinition) -> RankingModel | RetrievalModel:
    """The Keras layers of the definition, freshly initialised from its seed."""
    if isinstance(definition.architecture, TwoTower):
        return RetrievalModel(definition)
    return RankingModel(definition)
