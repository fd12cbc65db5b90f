"""xDeepFM: a compressed interaction network beside first-order terms and a deep network (Lian et al., KDD 2018)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.architecture import Architecture, Inputs
from engine.models.gated import GatedArchitecture
from engine.spec.definition import ModelDefinition
from engine.spec.ranking import XDeepFM


class XDeepFMModel(GatedArchitecture):
    """logit = ⟨w_f, (e_1 … e_S, x)⟩ + ⟨w_c, CIN(e_1 … e_S)⟩ + ⟨w_n, network(e_1 … e_S, x)⟩ + b."""

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        settings = definition.architecture
        assert isinstance(settings, XDeepFM)
        self._first_order = self.add_dense("first_order", self.width, self.num_tasks, full_precision=True)
        self._cin = InteractionNetwork(self, len(definition.slots), settings.cin)
        self._interactions = self.add_output("cin_output", sum(settings.cin))
        self._network = self.add_gated_network("hidden", self.width, settings.hidden)
        self._output = self.add_output("output", self._network.width)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        fields = self.fields(inputs)
        flat = fields.flat
        interactions = self._interactions(self._cin(fields.stacked))
        return self._first_order(flat) + interactions + self._output(self._network(flat, fields.gate_inputs))


class InteractionNetwork:
    """CIN: X⁰ the embeddings, X^k_h = Σ_{i,j} W^{k,h}_{ij} (X^{k-1}_i ⊙ X⁰_j), p^k_h = Σ_d X^k_{h,d}; answers p of all layers.

    Equations 6 and 8. Maps are linear, which the paper found best (its section 4.3), and all go on to the next layer.
    """

    def __init__(self, architecture: Architecture, num_slots: int, num_maps: list[int]) -> None:
        self._layers = []
        last = num_slots
        for index, maps in enumerate(num_maps):
            self._layers.append(architecture.add_dense(f"cin_{index}", last * num_slots, maps, use_bias=False))
            last = maps
        self._num_slots = num_slots

    def __call__(self, stacked: Any) -> Any:
        """float32[n, Σ num_maps] of float32[n, num_slots, dim]."""
        first = tf.transpose(stacked, (0, 2, 1))
        dim = first.shape[1]
        maps = first
        pooled = []
        for layer in self._layers:
            first = tf.cast(first, maps.dtype)
            products = maps[:, :, :, tf.newaxis] * first[:, :, tf.newaxis, :]
            maps = layer(tf.reshape(products, (-1, dim, maps.shape[2] * self._num_slots)))
            pooled.append(tf.reduce_sum(tf.cast(maps, tf.float32), axis=1))
        return tf.concat(pooled, axis=1)
