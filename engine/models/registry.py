"""From a definition to its architecture."""

from __future__ import annotations

from engine.models.architecture import RankingArchitecture, RetrievalArchitecture
from engine.models.deepfm import DeepFMModel
from engine.models.two_tower import TwoTowerModel
from engine.spec.definition import ModelDefinition

MODELS: dict[str, type[RankingArchitecture] | type[RetrievalArchitecture]] = {
    "two_tower": TwoTowerModel,
    "deepfm": DeepFMModel,
}
"""The layers of each kind of architecture (`engine.spec.architecture.ARCHITECTURES`)."""


def build_architecture(definition: ModelDefinition) -> RankingArchitecture | RetrievalArchitecture:
    """The Keras layers of the definition, freshly initialised from its seed."""
    return MODELS[definition.architecture.kind](definition)
