"""SASRec: what comes next, from the order of what came before (Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.architecture import Architecture, Inputs, RetrievalArchitecture
from engine.spec.definition import ModelDefinition, Side
from engine.spec.retrieval import SASRec


class SASRecModel(RetrievalArchitecture):
    """x = √d·Σ_s e_s + P through blocks of causal self-attention; the newest place's output, beside the other inputs, is the user.

    e_s are the embeddings of the sequence and of those parallel to it (event types, ages), P learned positions that count from the
    newest. Each block is x <- x + attention(N(x)), x <- x + W_2 relu(W_1 N(x) + b_1) + b_2 (section III.B), N bringing each place to mean
    0 and variance 1: its scale and shift would be absorbed by the map that follows, so it has none of its own. There is no dropout, for
    a stream is seen once. The user's other slots and dense inputs join before the last linear map; items are a linear map of their side.
    Both have unit length, so that a dot product is a cosine. An empty history is zero.

    The paper learns at every place of a sequence at once. Here every event is an example with the history before it, so that each place
    is learned once, when it happens.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        settings = definition.architecture
        if not isinstance(settings, SASRec):
            raise ValueError(f"architecture.kind: must be sasrec, received {settings.kind}")
        slots = {slot.name: slot for slot in definition.slots}
        dim, length = slots[settings.sequence_slot].dim, slots[settings.sequence_slot].max_values
        self._sequences = [settings.sequence_slot, *settings.context_slots]
        self._scale = dim**0.5
        self._positions = self.add_weight("positions", (length, dim))
        self._blocks = [Block(self, f"block_{index}", dim, settings.num_heads) for index in range(settings.num_blocks)]
        others = [slot for slot in definition.slots_of(Side.USER) if slot.name not in self._sequences]
        self._others = [slot.name for slot in others]
        self._items = [slot.name for slot in definition.slots_of(Side.ITEM)]
        user_width = dim + sum(slot.dim for slot in others) + definition.num_dense(Side.USER)
        item_width = sum(slots[name].dim for name in self._items) + definition.num_dense(Side.ITEM)
        self._user_output = self.add_dense("user_output", user_width, self.output_dim, full_precision=True)
        self._item_output = self.add_dense("item_output", item_width, self.output_dim, full_precision=True)

    def user_vectors(self, inputs: Inputs) -> Any:
        """float32[n, output_dim], unit length."""
        others = [inputs.slots[name] for name in self._others]
        return _unit(self._user_output(tf.concat([self.encoded(inputs)[:, -1], *others, inputs.dense], axis=1)))

    def item_vectors(self, inputs: Inputs) -> Any:
        """float32[n, output_dim], unit length."""
        slots = [inputs.slots[name] for name in self._items]
        return _unit(self._item_output(tf.concat([*slots, inputs.dense], axis=1)))

    def encoded(self, inputs: Inputs) -> Any:
        """float32[n, length, dim]: what each place of the sequence says of the next, zero where there is no item."""
        mask = inputs.sequences[self._sequences[0]].mask
        filled = tf.cast(mask, tf.float32)[:, :, tf.newaxis]
        values = self._scale * tf.add_n([inputs.sequences[name].values for name in self._sequences])
        values = (values + tf.convert_to_tensor(self._positions.value)) * filled
        for block in self._blocks:
            values = block(values, mask) * filled
        return _normalised(values) * filled


class Block:
    """Causal multi-head self-attention, then a network of two layers on each place by itself; both added to their input."""

    def __init__(self, architecture: Architecture, name: str, dim: int, num_heads: int) -> None:
        self._shape = (num_heads, dim // num_heads)
        self._query, self._key, self._value = (
            architecture.add_dense(f"{name}_{part}", dim, dim) for part in ("query", "key", "value")
        )
        self._hidden = architecture.add_dense(f"{name}_hidden", dim, dim, "relu")
        self._output = architecture.add_dense(f"{name}_output", dim, dim)

    def __call__(self, values: Any, mask: Any) -> Any:
        """float32[n, length, dim] of the same; places where `mask` bool[n, length] is false are not attended to."""
        values += self._attention(_normalised(values), mask)
        return values + tf.cast(self._output(self._hidden(_normalised(values))), tf.float32)

    def _attention(self, values: Any, mask: Any) -> Any:
        """For each head softmax(Q Kᵀ / √d)·V over the place itself and those before it."""
        length, width = values.shape[1], self._shape[0] * self._shape[1]
        query, key, value = (
            tf.reshape(tf.cast(each(values), tf.float32), (-1, length, *self._shape))
            for each in (self._query, self._key, self._value)
        )
        products = tf.einsum("nqhd,nkhd->nhqk", query, key) / self._shape[1] ** 0.5
        not_later = tf.linalg.band_part(tf.ones((length, length), tf.bool), -1, 0)
        allowed = not_later & mask[:, tf.newaxis, tf.newaxis, :]
        weights = tf.nn.softmax(tf.where(allowed, products, tf.constant(-1e9, tf.float32)), axis=-1)
        return tf.reshape(tf.einsum("nhqk,nkhd->nqhd", weights, value), (-1, length, width))


def _normalised(values: Any) -> Any:
    """Mean 0 and variance 1 over the last axis (Ba, Kiros and Hinton, Layer Normalization, 2016)."""
    mean, variance = tf.nn.moments(values, axes=[-1], keepdims=True)
    return (values - mean) * tf.math.rsqrt(variance + 1e-6)


def _unit(vectors: Any) -> Any:
    # Below this length a vector shrinks to zero instead of its gradient growing without bound.
    return tf.math.l2_normalize(vectors, axis=-1, epsilon=1e-6)
