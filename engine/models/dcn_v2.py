"""DCN-v2: cross layers whose matrix is full, of low rank, or a mixture of low-rank experts (Wang et al., DCN V2, WWW 2021)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.architecture import Architecture, Inputs
from engine.models.gated import GatedArchitecture
from engine.spec.definition import ModelDefinition
from engine.spec.ranking import DCNv2


class DCNv2Model(GatedArchitecture):
    """x_0 = (e_1 … e_S, x); x_{l+1} = x_0 ⊙ cross_l(x_l) + x_l; then, beside or below a deep network, a linear layer.

    - parallel: logit = ⟨w, (x_L, network(x_0))⟩ + b
    - stacked: logit = ⟨w, network(x_L)⟩ + b
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        settings = definition.architecture
        assert isinstance(settings, DCNv2)
        self._is_stacked = settings.structure == "stacked"
        self._cross = [
            _cross_layer(self, f"cross_{index}", self.width, settings) for index in range(settings.num_cross_layers)
        ]
        self._network = self.add_gated_network("hidden", self.width, settings.hidden)
        last = self._network.width if self._is_stacked else self.width + self._network.width
        self._output = self.add_output("output", last)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        fields = self.fields(inputs)
        first = crossed = fields.flat
        for layer in self._cross:
            crossed = first * layer(crossed) + crossed
        if self._is_stacked:
            return self._output(self._network(crossed, fields.gate_inputs))
        deep = tf.cast(self._network(first, fields.gate_inputs), tf.float32)
        return self._output(tf.concat([crossed, deep], axis=1))


def _cross_layer(architecture: GatedArchitecture, name: str, width: int, settings: DCNv2) -> Any:
    if settings.rank is None:
        return FullCross(architecture, name, width)
    if settings.num_experts == 1:
        return LowRankCross(architecture, name, width, settings.rank)
    return MixtureCross(architecture, name, width, rank=settings.rank, num_experts=settings.num_experts)


class FullCross:
    """W x + b, W of width x width: equation 1."""

    def __init__(self, architecture: Architecture, name: str, width: int) -> None:
        self._matrix = architecture.add_dense(name, width, width)

    def __call__(self, values: Any) -> Any:
        """float32[n, width] of float32[n, width]."""
        return tf.cast(self._matrix(values), tf.float32)


class LowRankCross:
    """U (Vᵀ x) + b, U and V of width x rank: equation 2."""

    def __init__(self, architecture: Architecture, name: str, width: int, rank: int) -> None:
        self._down = architecture.add_dense(f"{name}_down", width, rank, use_bias=False)
        self._up = architecture.add_dense(f"{name}_up", rank, width)

    def __call__(self, values: Any) -> Any:
        """float32[n, width] of float32[n, width]."""
        return tf.cast(self._up(self._down(values)), tf.float32)


class MixtureCross:
    """Σ_i softmax(G x)_i · (U_i tanh(C_i tanh(V_iᵀ x)) + b): equations 3 and 4. All experts share b, so that it is added once."""

    def __init__(self, architecture: GatedArchitecture, name: str, width: int, *, rank: int, num_experts: int) -> None:
        self._num_experts = num_experts
        self._gate = architecture.add_gate(f"{name}_gate", width, num_experts)
        self._down = architecture.add_dense(f"{name}_down", width, num_experts * rank, "tanh", use_bias=False)
        self._cores = [
            architecture.add_dense(f"{name}_core_{index}", rank, rank, "tanh", use_bias=False)
            for index in range(num_experts)
        ]
        # U_1 … U_K one upon the other: with each expert's values weighed before, one product is the mixture's sum.
        self._up = architecture.add_dense(f"{name}_up", num_experts * rank, width)

    def __call__(self, values: Any) -> Any:
        """float32[n, width] of float32[n, width]."""
        gates = tf.split(self._gate(values), self._num_experts, axis=1)
        parts = tf.split(self._down(values), self._num_experts, axis=1)
        cores = [core(part) for core, part in zip(self._cores, parts, strict=True)]
        weighed = [tf.cast(gate, core.dtype) * core for gate, core in zip(gates, cores, strict=True)]
        return tf.cast(self._up(tf.concat(weighed, axis=1)), tf.float32)
