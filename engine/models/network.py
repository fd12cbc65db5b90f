"""Hidden layers, with an activation of their choice and gates on their units when asked for."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.activations import build_activation
from engine.models.architecture import Architecture
from engine.spec.layer_settings import Activation


class Network:
    """h_0 = x; h_{i+1} = f(W_i h_i + b_i), f being ReLU unless `activation` says otherwise, and with LHUC gates h_{i+1} ⊙ 2σ(V_i g + c_i).

    g is the gates' input, such as the user's embedding: each user scales each hidden unit by something between 0 and 2, about 1 at
    first. Learning Hidden Unit Contributions: Swietojanski and Renals, SLT 2014; gates computed from embeddings as in PEPNet (Chang
    et al., KDD 2023), but without its stopped gradient.

    Layers are named `<name>_0`, `<name>_1`, …, their activations' parameters `<name>_0_activation`, …, their gates `<name>_0_gate`, …
    """

    def __init__(  # noqa: PLR0917 - from the inputs up
        self,
        architecture: Architecture,
        name: str,
        num_inputs: int,
        hidden: list[int],
        num_gate_inputs: int = 0,
        activation: Activation = Activation.RELU,
    ) -> None:
        own = None if activation is not Activation.RELU else "relu"
        self._layers, self.width = architecture.add_network(name, num_inputs, hidden, own)
        self._activations = [
            build_activation(activation, architecture, f"{name}_{index}_activation", units)
            for index, units in enumerate(hidden)
        ]
        self._gates = [
            architecture.add_dense(f"{name}_{index}_gate", num_gate_inputs, units, "sigmoid")
            for index, units in enumerate(hidden)
            if num_gate_inputs
        ]

    def __call__(self, values: Any, gate_inputs: Any | None = None, mask: Any | None = None) -> Any:
        """[…, width], of the layers' precision, from […, num_inputs]; `gate_inputs` float32[…, num_gate_inputs] when there are gates.

        `mask` bool[…]: the places that count for what an activation observes; all without one.
        """
        for index, (layer, activation) in enumerate(zip(self._layers, self._activations, strict=True)):
            values = layer(values)
            if activation is not None:
                values = activation(values, mask)
            if self._gates:
                values *= tf.constant(2.0, values.dtype) * self._gates[index](gate_inputs)
        return values
