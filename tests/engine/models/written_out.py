"""Random inputs and weights for a definition, as TensorFlow takes them and as NumPy does, to write formulas out by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from engine.models.architecture import Inputs, RankingArchitecture, Sequence
from engine.models.registry import build_architecture
from engine.spec.definition import ModelDefinition
from engine.spec.slot import Pooling

NUM_ROWS = 3


@dataclass
class Case:
    """A model whose every weight, biases too, was drawn anew; slots, dense and sequences of `NUM_ROWS` rows in float64."""

    model: RankingArchitecture
    weights: dict[str, Any]
    slots: dict[str, Any]
    dense: Any
    sequences: dict[str, tuple[Any, Any]]

    @property
    def inputs(self) -> Inputs:
        return Inputs(
            {name: tf.constant(values, tf.float32) for name, values in self.slots.items()},
            tf.constant(self.dense, tf.float32),
            {
                name: Sequence(tf.constant(values, tf.float32), tf.constant(mask))
                for name, (values, mask) in self.sequences.items()
            },
        )

    def logits(self) -> Any:
        """float32[n, num_tasks], by the model."""
        return self.model.logits(self.inputs).numpy()

    def flat(self, row: int) -> Any:
        """The row's embeddings side by side, then its numbers."""
        return np.concatenate([*(values[row] for values in self.slots.values()), self.dense[row]])

    def layer(self, name: str, values: Any) -> Any:
        """The layer's linear part; layers without a bias too."""
        return values @ self.weights[f"{name}/kernel"] + self.weights.get(f"{name}/bias", 0.0)

    def network(self, name: str, num_layers: int, values: Any) -> Any:
        for index in range(num_layers):
            values = np.maximum(self.layer(f"{name}_{index}", values), 0.0)
        return values

    def assert_equals(self, expected: Any) -> None:
        """`expected` [n][num_tasks]."""
        np.testing.assert_allclose(self.logits(), np.array(expected), rtol=2e-5, atol=2e-5)


def case_of(definition: ModelDefinition, seed: int = 0) -> Case:
    rng = np.random.default_rng(seed)
    model = build_architecture(definition)
    assert isinstance(model, RankingArchitecture)
    weights = {name: rng.normal(size=weight.shape) * 0.5 for name, weight in model.dense_weights().items()}
    model.load_dense_weights({name: weight.astype(np.float32) for name, weight in weights.items()})
    slots = {slot.name: rng.normal(size=(NUM_ROWS, slot.dim)) for slot in definition.slots}
    sequences = {}
    for slot in definition.slots:
        if slot.pooling is Pooling.SEQUENCE:
            mask = np.arange(slot.max_values) >= slot.max_values - np.arange(NUM_ROWS)[:, np.newaxis]
            values = rng.normal(size=(NUM_ROWS, slot.max_values, slot.dim)) * mask[:, :, np.newaxis]
            sequences[slot.name] = (values, mask)
    return Case(model, weights, slots, rng.normal(size=(NUM_ROWS, definition.num_dense())), sequences)


def sigmoid(values: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-values))


def softmax(values: Any) -> Any:
    exponentials = np.exp(values - values.max())
    return exponentials / exponentials.sum()
