"""From a definition to its architecture."""

from __future__ import annotations

from engine.models.architecture import RankingArchitecture, RetrievalArchitecture
from engine.models.autoint import AutoIntModel
from engine.models.dcn_v2 import DCNv2Model
from engine.models.deepfm import DeepFMModel
from engine.models.din import DINModel
from engine.models.dlrm import DLRMModel
from engine.models.fm import FactorizationMachineModel
from engine.models.logistic_regression import LogisticRegressionModel
from engine.models.matrix_factorisation import MatrixFactorisationModel
from engine.models.mmoe import MMoEModel
from engine.models.ple import PLEModel
from engine.models.sasrec import SASRecModel
from engine.models.two_tower import TwoTowerModel
from engine.models.wide_deep import WideDeepModel
from engine.models.xdeepfm import XDeepFMModel
from engine.spec.definition import ModelDefinition

MODELS: dict[str, type[RankingArchitecture] | type[RetrievalArchitecture]] = {
    "two_tower": TwoTowerModel,
    "matrix_factorisation": MatrixFactorisationModel,
    "sasrec": SASRecModel,
    "logistic_regression": LogisticRegressionModel,
    "fm": FactorizationMachineModel,
    "deepfm": DeepFMModel,
    "wide_deep": WideDeepModel,
    "dcn_v2": DCNv2Model,
    "xdeepfm": XDeepFMModel,
    "autoint": AutoIntModel,
    "din": DINModel,
    "dlrm": DLRMModel,
    "mmoe": MMoEModel,
    "ple": PLEModel,
}
"""The layers of each kind of architecture (`engine.spec.architecture.ARCHITECTURES`)."""


def build_architecture(definition: ModelDefinition) -> RankingArchitecture | RetrievalArchitecture:
    """The Keras layers of the definition, freshly initialised from its seed."""
    return MODELS[definition.architecture.kind](definition)
