"""AutoInt: interactions found by multi-head self-attention over slots and numbers (Song et al., CIKM 2019)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.architecture import Architecture, Inputs
from engine.models.gated import GatedArchitecture
from engine.spec.definition import ModelDefinition
from engine.spec.ranking import AutoInt


class AutoIntModel(GatedArchitecture):
    """Fields e_1 … e_S and x_1·v_1 … x_M·v_M through layers of attention; logit = ⟨w, all fields⟩ + ⟨w_n, network(e, x)⟩ + b.

    v_m is number m's own embedding, which its value scales (equation 4). The network is the paper's AutoInt+; with no hidden layers it is
    linear in the inputs.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        settings = definition.architecture
        assert isinstance(settings, AutoInt)
        dim, num_dense = definition.slots[0].dim, definition.num_dense()
        self._numbers = self.add_weight("numbers", (num_dense, dim)) if num_dense else None
        self._layers = []
        for index in range(settings.num_layers):
            self._layers.append(
                FieldAttention(
                    self, f"attention_{index}", dim, num_heads=settings.num_heads, head_dim=settings.head_dim
                )
            )
            dim = settings.num_heads * settings.head_dim
        self._attended_width = (len(definition.slots) + num_dense) * dim
        self._attended = self.add_output("attention_output", self._attended_width)
        self._network = self.add_gated_network("hidden", self.width, settings.hidden)
        self._output = self.add_output("output", self._network.width)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        fields = self.fields(inputs)
        values = fields.stacked
        if self._numbers is not None:
            numbers = fields.dense[:, :, tf.newaxis] * tf.convert_to_tensor(self._numbers.value)
            values = tf.concat([values, numbers], axis=1)
        for layer in self._layers:
            values = layer(values)
        attended = self._attended(tf.reshape(values, (-1, self._attended_width)))
        return attended + self._output(self._network(fields.flat, fields.gate_inputs))


class FieldAttention:
    """For each head h: α_{mk} = softmax_k ⟨Q_h e_m, K_h e_k⟩, ẽ_m = Σ_k α_{mk} V_h e_k; e_m <- relu(concat_h ẽ_m + R e_m).

    Equations 5 to 8; as there, the products are not scaled.
    """

    def __init__(self, architecture: Architecture, name: str, dim: int, *, num_heads: int, head_dim: int) -> None:
        self._shape = (num_heads, head_dim)
        width = num_heads * head_dim
        self._query, self._key, self._value, self._residual = (
            architecture.add_dense(f"{name}_{part}", dim, width, use_bias=False)
            for part in ("query", "key", "value", "residual")
        )

    def __call__(self, fields: Any) -> Any:
        """float32[n, num_fields, num_heads * head_dim] of float32[n, num_fields, dim]."""
        num_fields, (num_heads, head_dim) = fields.shape[1], self._shape
        query, key, value = (
            tf.transpose(
                tf.reshape(tf.cast(each(fields), tf.float32), (-1, num_fields, num_heads, head_dim)), (0, 2, 1, 3)
            )
            for each in (self._query, self._key, self._value)
        )
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True), axis=-1)
        attended = tf.transpose(tf.matmul(weights, value), (0, 2, 1, 3))
        attended = tf.reshape(attended, (-1, num_fields, num_heads * head_dim))
        return tf.nn.relu(attended + tf.cast(self._residual(fields), tf.float32))
