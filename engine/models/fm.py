"""Factorization machine: first-order terms and the dot product of every pair of slots (Rendle, ICDM 2010)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.architecture import Inputs, RankingArchitecture
from engine.spec.definition import ModelDefinition


class FactorizationMachineModel(RankingArchitecture):
    """logit = Σ_s ⟨w_s, e_s⟩ + ⟨w_x, x⟩ + b + Σ_{s<u} ⟨e_s, e_u⟩.

    The first-order term is a projection of the embedding (instead of a second, one-dimensional table), so that one row per FID travels
    to the replicas. Numbers have a first-order term alone.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        self._slots = [slot.name for slot in definition.slots]
        width = sum(slot.dim for slot in definition.slots) + definition.num_dense()
        self._first_order = self.add_dense("first_order", width, self.num_tasks, full_precision=True)
        self._second_order = SecondOrder(self, definition.slots[0].dim)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        embeddings = [inputs.slots[name] for name in self._slots]
        flat = tf.concat([*embeddings, inputs.dense], axis=1)
        return self._first_order(flat) + self._second_order(tf.stack(embeddings, axis=1))


class SecondOrder:
    """Σ_{s<u} ⟨e_s, e_u⟩ = ½ Σ_d [(Σ_s e_s)² - Σ_s e_s²]_d: linear in the number of slots (Rendle, lemma 3.1).

    With several tasks each has a weight of its own for every dimension d of that sum; one task needs none.
    """

    def __init__(self, architecture: RankingArchitecture, dim: int) -> None:
        self._weights = None
        if architecture.num_tasks > 1:
            self._weights = architecture.add_dense(
                "second_order", dim, architecture.num_tasks, use_bias=False, full_precision=True
            )

    def __call__(self, stacked: Any) -> Any:
        """float32[n, num_tasks] of float32[n, num_slots, dim]."""
        total = tf.reduce_sum(stacked, axis=1)
        pairs = 0.5 * (total * total - tf.reduce_sum(stacked * stacked, axis=1))
        return tf.reduce_sum(pairs, axis=1, keepdims=True) if self._weights is None else self._weights(pairs)
