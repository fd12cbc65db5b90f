"""Two towers whose dot product ranks the catalogue (Yi et al., Sampling-Bias-Corrected Neural Modeling, RecSys 2019)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.architecture import Inputs, RetrievalArchitecture
from engine.spec.definition import ModelDefinition, Side, TwoTower


class TwoTowerModel(RetrievalArchitecture):
    """Each side: concat(pooled slots, dense) -> ReLU layers -> linear -> unit length. A dot product is a cosine.

    A row without any FID or dense value under zero biases has no direction; its vector is zero.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        if not isinstance(definition.architecture, TwoTower):
            raise ValueError(f"architecture.kind: must be two_tower, received {definition.architecture.kind}")
        self._slots: dict[Side, list[str]] = {}
        self._towers: dict[Side, list[Any]] = {}
        for side in (Side.USER, Side.ITEM):
            slots = definition.slots_of(side)
            width = sum(slot.dim for slot in slots) + definition.num_dense(side)
            layers, width = self.add_network(f"{side.value}_hidden", width, definition.architecture.hidden)
            output = self.add_dense(f"{side.value}_output", width, self.output_dim, full_precision=True)
            layers.append(output)
            self._slots[side] = [slot.name for slot in slots]
            self._towers[side] = layers

    def user_vectors(self, inputs: Inputs) -> Any:
        """float32[n, output_dim], unit length, from the user side's slots and dense."""
        return self._vectors(Side.USER, inputs)

    def item_vectors(self, inputs: Inputs) -> Any:
        """float32[n, output_dim], unit length, from the item side's slots and dense."""
        return self._vectors(Side.ITEM, inputs)

    def _vectors(self, side: Side, inputs: Inputs) -> Any:
        values = tf.concat([*(inputs.slots[name] for name in self._slots[side]), inputs.dense], axis=1)
        for layer in self._towers[side]:
            values = layer(values)
        # Below this length a vector shrinks to zero instead of its gradient growing without bound.
        return tf.math.l2_normalize(values, axis=-1, epsilon=1e-6)


def sampled_softmax(cosines: Any, item_keys: Any, log_q: Any, temperature: float) -> Any:
    """Softmax cross-entropy of each user, float32[n], in which user i's item is candidate i.

    cosines float32[n, c], c >= n (candidates beyond the n positives are sampled negatives); item_keys int64[c] identify items;
    log_q float32[c] is the log of each item's sampling probability (zeros to leave the correction out).
    Logits are cosine / temperature - log_q, as in Yi et al. 2019, section 3.2. A candidate that is the user's own item again
    (an accidental hit) is no negative: its logit is masked.
    """
    num_users = tf.shape(cosines)[0]
    num_candidates = tf.shape(cosines)[1]
    logits = cosines / temperature - log_q[tf.newaxis, :]
    same_item = tf.equal(item_keys[:num_users, tf.newaxis], item_keys[tf.newaxis, :])
    own_place = tf.eye(num_users, num_candidates, dtype=tf.bool)
    logits = tf.where(same_item & ~own_place, tf.constant(-1e9, tf.float32), logits)
    return tf.reduce_logsumexp(logits, axis=1) - tf.linalg.diag_part(logits)
