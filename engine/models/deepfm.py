"""DeepFM: first-order terms, a factorization machine and a deep network over the same embeddings (Guo et al., IJCAI 2017)."""

from __future__ import annotations

from typing import Any

from engine.models.architecture import Inputs
from engine.models.fm import FactorizationTerms
from engine.models.gated import GatedArchitecture
from engine.spec.definition import ModelDefinition
from engine.spec.ranking import DeepFM


class DeepFMModel(GatedArchitecture):
    """logit = Σ_s ⟨w_s, e_s⟩ + ⟨w_x, x⟩ + b + ½ Σ_d[(Σ_s e_s)² - Σ_s e_s²] + network(e_1 … e_S, x).

    e_s is slot s's pooled embedding, x the dense inputs. The first-order term is a projection of the embedding, as in `engine.models.fm`.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        settings = definition.architecture
        assert isinstance(settings, DeepFM)
        self._terms = FactorizationTerms(self, definition)
        self._network = self.add_gated_network("hidden", self.width, settings.hidden)
        self._output = self.add_output("output", self._network.width)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        fields = self.fields(inputs)
        flat = fields.flat
        terms = self._terms(flat, fields.stacked) if fields.beside is None else self._terms.beside(flat)
        return terms + self._output(self._network(flat, fields.gate_inputs))
