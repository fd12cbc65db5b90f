"""Factorization machine: first-order terms and the dot product of every pair of slots (Rendle, ICDM 2010)."""

from __future__ import annotations

from typing import Any

import numpy as np
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
        self._terms = FactorizationTerms(self, definition)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        if inputs.flat is not None:
            return self._terms.beside(inputs.flat)
        embeddings = [inputs.slots[name] for name in self._slots]
        return self._terms(tf.concat([*embeddings, inputs.dense], axis=1), tf.stack(embeddings, axis=1))


class FactorizationTerms:
    """⟨w, (e_1 … e_S, x)⟩ + b + Σ_{s<u} ⟨e_s, e_u⟩, the pairs by ½ Σ_d [(Σ_s e_s)² - Σ_s e_s²]_d: linear in the number of slots
    (Rendle, lemma 3.1).

    With several tasks each has a weight of its own for every dimension d of that sum; one task needs none. All slots have one dim.

    `beside` gives the same of slots that came side by side, as a training step's do. There sums over slots are products with a matrix of
    zeros and ones, beside the first-order weights: that tensor is the widest there is, and one matrix product passes over it once. The
    gradient is written out for the same reason.
    """

    def __init__(self, architecture: RankingArchitecture, definition: ModelDefinition) -> None:
        dim, num_slots, num_dense = definition.slots[0].dim, len(definition.slots), definition.num_dense()
        width = num_slots * dim + num_dense
        self._first_order = architecture.add_dense("first_order", width, architecture.num_tasks, full_precision=True)
        self._weights = None
        if architecture.num_tasks > 1:
            self._weights = architecture.add_dense(
                "second_order", dim, architecture.num_tasks, use_bias=False, full_precision=True
            )
        self._num_tasks = architecture.num_tasks
        sums = np.concatenate([np.tile(np.eye(dim), (num_slots, 1)), np.zeros((num_dense, dim))]).astype(np.float32)
        self._sums = sums
        self._sums_of_pairs = sums.sum(axis=1, keepdims=True) if self._weights is None else sums

    def __call__(self, flat: Any, stacked: Any) -> Any:
        """float32[n, num_tasks] of float32[n, width], slots side by side and then dense inputs, and float32[n, num_slots, dim]."""
        total = tf.reduce_sum(stacked, axis=1)
        pairs = 0.5 * (total * total - tf.reduce_sum(stacked * stacked, axis=1))
        second = tf.reduce_sum(pairs, axis=1, keepdims=True) if self._weights is None else self._weights(pairs)
        return self._first_order(flat) + second

    def beside(self, flat: Any) -> Any:
        """float32[n, num_tasks] of float32[n, width]."""
        first, pairs = self._terms(flat, tf.convert_to_tensor(self._first_order.kernel.value))
        second = pairs if self._weights is None else self._weights(pairs)
        return first + tf.convert_to_tensor(self._first_order.bias.value) + second

    def _terms(self, flat: Any, kernel: Any) -> tuple[Any, Any]:
        """flat · kernel float32[n, num_tasks], and ½ [(Σ_s e_s)² - Σ_s e_s²] float32[n, dim], for one task its sum float32[n, 1]."""
        sums, sums_of_pairs, num_tasks = tf.constant(self._sums), tf.constant(self._sums_of_pairs), self._num_tasks
        is_one = self._weights is None

        def terms(flat: Any, kernel: Any) -> Any:
            both = tf.concat([kernel, sums], axis=1)
            found = tf.matmul(flat, both)
            total = found[:, num_tasks:]
            squares = tf.matmul(tf.square(flat), sums_of_pairs)
            squared = tf.reduce_sum(tf.square(total), axis=1, keepdims=True) if is_one else tf.square(total)

            def gradient(of_first: Any, of_pairs: Any) -> tuple[Any, Any]:
                # of ½ [t² - Σ e²]: to e_s goes g ⊙ (t - e_s)
                up = tf.concat([of_first, of_pairs * total], axis=1)
                own = flat * tf.matmul(of_pairs, sums_of_pairs, transpose_b=True)
                return tf.matmul(up, both, transpose_b=True) - own, tf.matmul(flat, of_first, transpose_a=True)

            return (found[:, :num_tasks], 0.5 * (squared - squares)), gradient

        first, pairs = tf.custom_gradient(terms)(flat, kernel)
        return first, pairs
