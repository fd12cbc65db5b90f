"""DLRM: numbers through a network of their own, dot products of all pairs, a network on top (Naumov et al., arXiv 1906.00091, 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from engine.models.architecture import Inputs
from engine.models.gated import GatedArchitecture
from engine.spec.definition import ModelDefinition
from engine.spec.ranking import DLRM


class DLRMModel(GatedArchitecture):
    """z = bottom(x), of the slots' dim; logit = ⟨w, network(z, ⟨z, e_1⟩, …, ⟨e_s, e_u⟩ …)⟩ + b over all pairs s < u.

    A definition without dense inputs has no bottom network: the pairs of slots are all that the top sees.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        settings = definition.architecture
        assert isinstance(settings, DLRM)
        dim, num_dense = definition.slots[0].dim, definition.num_dense()
        self._has_numbers = num_dense > 0
        if self._has_numbers:
            self._bottom = self.add_gated_network("bottom", num_dense, settings.bottom_hidden)
            self._bottom_output = self.add_dense("bottom_output", self._bottom.width, dim, "relu")
        self._num_vectors = len(definition.slots) + self._has_numbers
        num_pairs = self._num_vectors * (self._num_vectors - 1) // 2
        top_width = num_pairs + (dim if self._has_numbers else 0)
        self._network = self.add_gated_network("hidden", top_width, settings.hidden)
        self._output = self.add_output("output", self._network.width)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        fields = self.fields(inputs)
        if not self._has_numbers:
            return self._output(self._network(pair_products(fields.stacked), fields.gate_inputs))
        numbers = tf.cast(self._bottom_output(self._bottom(fields.dense, fields.gate_inputs)), tf.float32)
        products = pair_products(tf.stack([numbers, *fields.embeddings], axis=1))
        return self._output(self._network(tf.concat([numbers, products], axis=1), fields.gate_inputs))


def pair_products(vectors: Any) -> Any:
    """float32[n, m(m-1)/2] of float32[n, m, dim]: the dot product of vectors s < u, in the order (0,1), (0,2), …, (1,2), …"""
    num_vectors = vectors.shape[1]
    products = tf.reshape(tf.matmul(vectors, vectors, transpose_b=True), (-1, num_vectors * num_vectors))
    above = np.flatnonzero(np.triu(np.ones((num_vectors, num_vectors), np.bool_), k=1))
    return tf.gather(products, tf.constant(above, tf.int32), axis=1)
