"""A late positive takes back the negative that was learned in its place, and what is learned is the true share."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from engine.spec.definition import ModelDefinition
from engine.training.losses import MAX_CORRECTING, correcting_weights
from engine.training.state import TrainingState
from engine.training.task_losses import task_columns, task_losses
from tests.engine.training.made import as_logged, make_definition, make_example, make_examples

ONE_TASK = make_definition("deepfm").tasks[:1]


def gradients(z: list[float], labels: list[float], corrects: list[float], rate: float = 1.0) -> list[float]:
    """Of the summed loss of one binary task, by each row's logit."""
    num = len(z)
    columns = np.stack([np.ones(num), labels, np.ones(num), np.full(num, rate), corrects], axis=1).astype(np.float32)
    logits = tf.constant(np.array(z, np.float32)[:, np.newaxis])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        extra = task_columns(ONE_TASK, {"columns": tf.constant(columns), "ordered": {}})
        total = task_losses(ONE_TASK, logits, extra).total
    found: list[float] = tape.gradient(total, logits).numpy()[:, 0].tolist()
    return found


@pytest.mark.parametrize("rate", [1.0, 0.1])
@pytest.mark.parametrize("z", [-6.0, -1.0, 0.0])
def test_the_negatives_pull_and_the_correcting_pull_are_together_that_of_the_positive_alone(
    z: float, rate: float
) -> None:
    negative, positive, correcting = gradients([z, z, z], [0, 1, 1], [0, 0, 1], rate)
    assert negative + correcting == pytest.approx(positive, abs=1e-5)
    assert correcting == pytest.approx(-1.0, abs=1e-5)


def test_the_weight_is_bounded_and_nothing_but_a_positive_has_one() -> None:
    assert correcting_weights(tf.constant([50.0, -50.0]), tf.constant([1.0, 1.0])).numpy() == pytest.approx(
        [MAX_CORRECTING, 1.0]
    )
    plain, flagged = gradients([0.3, 0.3], [0, 0], [0, 1])
    assert plain == flagged


@pytest.mark.parametrize(("corrected", "expected"), [(True, 0.3), (False, 0.3 / 1.15)])
def test_what_is_learned_of_a_stream_with_late_positives(corrected: bool, expected: float) -> None:
    """3 in 10 shown items are clicked, half of them late, so that 100 shown items are 115 rows; by steps of one logit."""
    on_time, late, none = 15, 15, 70
    labels = [1.0] * on_time + [0.0] * late + [1.0] * late + [0.0] * none
    corrects = [0.0] * (on_time + late) + [float(corrected)] * late + [0.0] * none
    z = 0.0
    for _ in range(200):
        z -= sum(gradients([z] * len(labels), labels, corrects)) / len(labels) / 0.25
    assert 1 / (1 + math.exp(-z)) == pytest.approx(expected, abs=1e-4)


def definition(late_positives: str) -> ModelDefinition:
    return make_definition("deepfm", training={"late_positives": late_positives, "evaluate_fraction": 0.0})


def test_training_learns_otherwise_only_where_the_definition_says_so() -> None:
    shown = make_examples(30, origin="impression")
    late = replace(make_example(31, 3, 3, origin="impression"), corrects="example-3")
    learned = {}
    for setting in ("plain", "corrected"):
        for name, last in (("late", late), ("in time", replace(late, corrects=None))):
            state = TrainingState(definition(setting))
            state.learn(as_logged(shown))
            state.learn(as_logged([last], start=30))
            learned[setting, name] = state.store.digest()
    assert learned["plain", "late"] == learned["plain", "in time"] == learned["corrected", "in time"]
    assert learned["corrected", "late"] != learned["plain", "late"]
