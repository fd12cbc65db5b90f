"""DeepFM: first-order terms, a factorization machine and a deep network over the same embeddings (Guo et al., IJCAI 2017)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.architecture import Inputs, RankingArchitecture
from engine.spec.definition import DeepFM, ModelDefinition


class DeepFMModel(RankingArchitecture):
    """logit = Σ_s ⟨w_s, e_s⟩ + ⟨w_x, x⟩ + b + ½ Σ_d[(Σ_s e_s)² - Σ_s e_s²] + network(e_1 … e_S, x).

    e_s is slot s's pooled embedding, x the dense inputs in the order user side, item side. The first-order term is a projection
    of the embedding (instead of a second, one-dimensional table), so that one row per FID travels to the replicas.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        if not isinstance(definition.architecture, DeepFM):
            raise ValueError(f"architecture.kind: must be deepfm, received {definition.architecture.kind}")
        self._slots = [slot.name for slot in definition.slots]
        width = sum(slot.dim for slot in definition.slots) + len(definition.dense)
        self._first_order = self.add_dense("first_order", width, self.num_tasks)
        self._network, last = self.add_network("hidden", width, definition.architecture.hidden)
        self._network.append(self.add_dense("output", last, self.num_tasks))

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        embeddings = tf.stack([inputs.slots[name] for name in self._slots], axis=1)
        total = tf.reduce_sum(embeddings, axis=1)
        second_order = 0.5 * tf.reduce_sum(total * total - tf.reduce_sum(embeddings * embeddings, axis=1), axis=1)
        width = len(self._slots) * embeddings.shape[-1]
        flat = tf.concat([tf.reshape(embeddings, (-1, width)), inputs.dense], axis=1)
        deep = flat
        for layer in self._network:
            deep = layer(deep)
        return self._first_order(flat) + second_order[:, tf.newaxis] + deep


def corrected_cross_entropy(logits: Any, labels: Any, sampling_rates: Any) -> Any:
    """Binary cross-entropy of each row on `logits - ln(sampling_rate)`; all float32[n].

    Where a share r of the rows' negatives was kept, the odds in the sample are 1/r times the true odds. Learning through z - ln r
    leaves z itself the log-odds before sampling, so that serving needs no correction. The identity holds for rows whose whole
    population, positives too, carries the same r.
    """
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits - tf.math.log(sampling_rates))
