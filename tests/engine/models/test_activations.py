"""PReLU and Dice written out in NumPy, and what Dice observes of what is learned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from engine.models.activations import MEMORY_ROWS, Dice, merged
from engine.models.architecture import Architecture
from engine.training.state import TrainingState
from tests.engine.models.definitions import definition_of
from tests.engine.models.written_out import NUM_ROWS, Case, case_of, sigmoid
from tests.engine.training.made import as_logged, make_examples


def activated(case: Case, name: str, values: Any) -> Any:
    """A hidden layer's output from its linear part."""
    alpha = case.weights[f"{name}_activation/kernel"]
    moments = case.weights.get(f"{name}_activation/moments")
    if moments is None:
        return np.maximum(values, 0.0) + alpha * np.minimum(values, 0.0)
    share = sigmoid((values - moments[1]) / np.sqrt(moments[2] + 1e-8))
    return values * (share + (1.0 - share) * alpha)


@pytest.mark.parametrize("activation", ["prelu", "dice"])
def test_din_has_its_activation_in_the_attention_and_above_it(activation: str) -> None:
    case = case_of(definition_of("din", activation=activation))
    for name, weight in case.weights.items():
        if name.endswith("/moments"):
            weight[2] = np.abs(weight[2]) + 0.1
    case.model.load_dense_weights({name: weight.astype(np.float32) for name, weight in case.weights.items()})
    expected = []
    for row in range(NUM_ROWS):
        target, attended = case.slots["item_id"][row], np.zeros(8)
        for past in case.sequences["history"][0][row, 4 - row :]:
            seen = np.concatenate([target, past, target - past, target * past])
            hidden = activated(case, "attention_0", case.layer("attention_0", seen))
            attended += case.layer("attention_output", hidden)[0] * past
        slots = [attended if name == "history" else values[row] for name, values in case.slots.items()]
        flat = np.concatenate([*slots, case.dense[row]])
        expected.append(case.layer("output", activated(case, "hidden_0", case.layer("hidden_0", flat))))
    case.assert_equals(expected)


def test_moments_of_two_batches_are_those_of_both_together() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(2.0, 3.0, (5, 7, 2)), rng.normal(-1.0, 0.5, (4, 7, 2))
    mask = rng.random((5, 7)) < 0.5
    start = tf.constant([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    moments = merged(
        merged(start, tf.constant(first, tf.float32), tf.constant(mask)), tf.constant(second, tf.float32), None
    )
    rows = np.concatenate([first[mask], second.reshape(-1, 2)])
    np.testing.assert_allclose(moments, [[len(rows)] * 2, rows.mean(axis=0), rows.var(axis=0)], rtol=1e-5)
    nothing = merged(moments, tf.zeros((3, 2)), tf.zeros((3,), tf.bool))
    np.testing.assert_array_equal(nothing, moments)


def test_old_rows_count_for_less_once_there_are_many() -> None:
    start = tf.constant([[MEMORY_ROWS], [0.0], [1.0]])
    rows, mean, variance = merged(start, tf.ones((int(MEMORY_ROWS), 1)), None).numpy()[:, 0]
    assert (rows, mean) == (MEMORY_ROWS, 0.5)
    assert variance == pytest.approx(0.5 + 0.25)


def test_only_learning_observes_and_a_refused_batch_leaves_the_moments_alone() -> None:
    architecture = Architecture(definition_of("din"))
    dice = Dice(architecture, "some", 3)
    before = architecture.dense_weights()["some/moments"]
    dice(tf.ones((4, 3)))
    np.testing.assert_array_equal(architecture.dense_weights()["some/moments"], before)
    with architecture.learning() as observed:
        dice(tf.ones((4, 3)))
    assert [(variable is architecture.weights["some/moments"]) for variable, _ in observed] == [True]
    assert not architecture.is_learning

    state = TrainingState(definition_of("din", activation="dice"))
    examples = make_examples(32)
    state.learn(as_logged(examples))
    learned = state.architecture.dense_weights()
    assert learned["hidden_0_activation/moments"][0, 0] > 32
    result = state.learn(as_logged([replace(examples[0], weight=float("inf"))], 32))
    assert result is not None and not result.finite
    for name, weight in state.architecture.dense_weights().items():
        np.testing.assert_array_equal(weight, learned[name], err_msg=name)
