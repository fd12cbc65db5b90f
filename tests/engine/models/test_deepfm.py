from __future__ import annotations

import numpy as np
import tensorflow as tf

from engine.models.architecture import Inputs
from engine.models.deepfm import DeepFMModel
from engine.spec.definition import ModelDefinition


def definition(hidden: list[int]) -> ModelDefinition:
    return ModelDefinition.parse(
        {
            "slots": [
                {"name": name, "number": number, "source": source, "dim": 3}
                for number, (name, source) in enumerate([("a", "user.id"), ("b", "item.id"), ("c", "item.topic")], 1)
            ],
            "dense": [{"name": "x", "source": "item.price"}],
            "architecture": {"kind": "deepfm", "hidden": hidden},
        }
    )


def test_logits_equal_the_formula_written_out_in_numpy() -> None:
    model = DeepFMModel(definition([5]))
    rng = np.random.default_rng(0)
    slots = {name: rng.normal(size=(4, 3)).astype(np.float32) for name in "abc"}
    dense = rng.normal(size=(4, 1)).astype(np.float32)
    weights = model.dense_weights()
    weights["first_order/bias"] = np.array([0.25], np.float32)
    model.load_dense_weights(weights)
    expected = []
    for row in range(4):
        e = [slots[name][row].astype(np.float64) for name in "abc"]
        flat = np.concatenate([*e, dense[row]])
        first = flat @ weights["first_order/kernel"][:, 0] + 0.25
        pairs = e[0] @ e[1] + e[0] @ e[2] + e[1] @ e[2]
        hidden = np.maximum(flat @ weights["hidden_0/kernel"] + weights["hidden_0/bias"], 0)
        expected.append(first + pairs + (hidden @ weights["output/kernel"] + weights["output/bias"])[0])
    logits = model.logits(Inputs({name: tf.constant(value) for name, value in slots.items()}, tf.constant(dense)))
    np.testing.assert_allclose(logits.numpy(), np.reshape(expected, (4, 1)), rtol=1e-5)
