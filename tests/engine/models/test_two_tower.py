from __future__ import annotations

import numpy as np
import tensorflow as tf

from engine.models.architecture import Inputs
from engine.models.two_tower import TwoTowerModel, sampled_softmax
from engine.spec.definition import ModelDefinition
from tests.engine.training.made import make_definition


def test_vectors_equal_the_towers_written_out_in_numpy_and_have_unit_length() -> None:
    definition = make_definition("two_tower", hidden=[6], output_dim=4)
    model = TwoTowerModel(definition)
    rng = np.random.default_rng(1)
    slots = {name: rng.normal(size=(5, 8)).astype(np.float32) for name in ("item_id", "topic")}
    dense = rng.normal(size=(5, 1)).astype(np.float32)
    weights = model.dense_weights()
    flat = np.concatenate([slots["item_id"], slots["topic"], dense], axis=1)
    hidden = np.maximum(flat @ weights["item_hidden_0/kernel"], 0)
    output = hidden @ weights["item_output/kernel"]
    expected = output / np.linalg.norm(output, axis=1, keepdims=True)
    vectors = model.item_vectors(
        Inputs({name: tf.constant(value) for name, value in slots.items()}, tf.constant(dense))
    )
    np.testing.assert_allclose(vectors.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_softmax_with_correction_and_masking_equals_numpy() -> None:
    rng = np.random.default_rng(2)
    cosines = rng.uniform(-1, 1, (3, 5)).astype(np.float32)
    keys = np.array([7, 8, 7, 9, 8], np.int64)  # candidates 0 and 2 are one item, 1 and 4 another
    log_q = np.log([0.4, 0.1, 0.4, 0.05, 0.1]).astype(np.float32)
    expected = []
    for user in range(3):
        allowed = [c for c in range(5) if c == user or keys[c] != keys[user]]
        logits = cosines[user] / 0.2 - log_q
        expected.append(np.log(sum(np.exp(logits[c]) for c in allowed)) - logits[user])
    np.testing.assert_allclose(sampled_softmax(cosines, keys, log_q, 0.2).numpy(), expected, rtol=1e-5)


def test_alone_in_its_batch_there_is_nothing_to_lose() -> None:
    assert sampled_softmax(tf.constant([[0.3]]), np.array([1]), tf.zeros(1), 0.1).numpy().tolist() == [0.0]


def test_inputs_derived_from_an_item_and_its_vector_belong_to_the_items_tower() -> None:
    definition = ModelDefinition.parse(
        {
            "slots": [
                {"name": "user_id", "number": 1, "source": "user.id", "dim": 4},
                {"name": "words", "number": 2, "source": "feature.words", "dim": 6},
            ],
            "dense": [{"name": "content", "source": "item.content", "dim": 5}],
            "features": [{"kind": "text", "name": "words", "source": "item.title"}],
            "architecture": {"kind": "two_tower", "hidden": [], "output_dim": 3},
        }
    )
    shapes = {name: weight.shape for name, weight in TwoTowerModel(definition).dense_weights().items()}
    assert shapes["user_output/kernel"] == (4, 3) and shapes["item_output/kernel"] == (6 + 5, 3)
