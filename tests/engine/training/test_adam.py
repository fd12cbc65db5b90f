from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from engine.errors import CorruptRecord
from engine.training.adam import Adam


def test_steps_equal_keras_adam() -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 2)).astype(np.float32)
    ours, theirs = tf.Variable(start), keras.Variable(start)
    adam, oracle = Adam({"w": (3, 2)}, 0.01), keras.optimizers.Adam(0.01)
    for _ in range(20):
        gradient = tf.constant(rng.normal(size=(3, 2)).astype(np.float32))
        adam.apply([gradient], [ours], tf.constant(True))
        oracle.apply([gradient], [theirs])
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-6)


def test_disabled_step_changes_nothing_even_with_nan() -> None:
    weight, adam = tf.Variable([1.0]), Adam({"w": (1,)}, 0.1)
    adam.apply([tf.constant([0.5])], [weight], tf.constant(True))
    before = (weight.numpy().tolist(), adam.state()["w/first"].tolist(), adam.num_steps)
    adam.apply([tf.constant([np.nan])], [weight], tf.constant(False))
    assert (weight.numpy().tolist(), adam.state()["w/first"].tolist(), adam.num_steps) == before


def test_restored_adam_goes_on_as_the_original() -> None:
    weights = [tf.Variable([1.0, -2.0]) for _ in range(2)]
    first, second = Adam({"w": (2,)}, 0.1), Adam({"w": (2,)}, 0.1)
    first.apply([tf.constant([0.5, 0.1])], [weights[0]], tf.constant(True))
    weights[1].assign(weights[0])
    second.restore(first.state(), first.num_steps)
    for adam, weight in zip((first, second), weights, strict=True):
        adam.apply([tf.constant([-0.2, 0.3])], [weight], tf.constant(True))
    np.testing.assert_array_equal(*(weight.numpy() for weight in weights))


def test_state_of_another_network_is_refused() -> None:
    with pytest.raises(CorruptRecord, match="optimizer state"):
        Adam({"w": (2,)}, 0.1).restore(Adam({"v": (2,)}, 0.1).state(), 1)
