"""MMoE: experts that all tasks share, mixed for each task by a gate of its own (Ma et al., KDD 2018)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.architecture import Inputs
from engine.models.gated import Fields, GatedArchitecture
from engine.spec.definition import ModelDefinition
from engine.spec.ranking import MMoE


class MMoEModel(GatedArchitecture):
    """x = (e_1 … e_S, x); f_t = Σ_i softmax(G_t x)_i · expert_i(x); logit_t = ⟨w_t, tower_t(f_t)⟩ + b_t. Equations 5 to 7."""

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        settings = definition.architecture
        assert isinstance(settings, MMoE)
        self._experts = [
            self.add_gated_network(f"expert_{index}", self.width, settings.hidden)
            for index in range(settings.num_experts)
        ]
        self._gates = [
            self.add_gate(f"gate_{task}", self.width, settings.num_experts) for task in range(self.num_tasks)
        ]
        self._towers = Towers(self, settings.hidden[-1], settings.tower_hidden)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        fields = self.fields(inputs)
        flat = fields.flat
        experts = [expert(flat, fields.gate_inputs) for expert in self._experts]
        return self._towers([mixed(gate(flat), experts) for gate in self._gates], fields)


class Towers:
    """A network and a logit for each task: `tower_<t>_0` …, `output_<t>`."""

    def __init__(self, architecture: GatedArchitecture, width: int, hidden: list[int]) -> None:
        self._networks = [
            architecture.add_gated_network(f"tower_{task}", width, hidden) for task in range(architecture.num_tasks)
        ]
        self._outputs = [
            architecture.add_output(f"output_{task}", network.width, 1) for task, network in enumerate(self._networks)
        ]

    def __call__(self, values: list[Any], fields: Fields) -> Any:
        """float32[n, num_tasks] of one float32[n, width] for each task."""
        towers = zip(self._networks, self._outputs, values, strict=True)
        return tf.concat([output(network(value, fields.gate_inputs)) for network, output, value in towers], axis=1)


def mixed(weights: Any, experts: list[Any]) -> Any:
    """float32[n, width]: Σ_i weights[:, i] · experts[i], weights float32[n, num_experts], experts [n, width] each."""
    stacked = tf.cast(tf.stack(experts, axis=1), tf.float32)
    return tf.squeeze(tf.matmul(weights[:, tf.newaxis, :], stacked), axis=1)
