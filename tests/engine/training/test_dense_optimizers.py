from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from engine.errors import CorruptRecord
from engine.spec.dense_optimizer import DenseOptimizer as AnySettings
from engine.spec.dense_optimizer import NetworkOptimizer
from engine.spec.learning_rate import LearningRate, Schedule
from engine.training.dense_optimizer import DenseOptimizer
from engine.training.dense_optimizers import build_dense_optimizer
from engine.training.scheduled_rate import rate_at

ORACLES: list[tuple[dict[str, Any], Any]] = [
    ({}, keras.optimizers.Adam(0.01)),
    ({"kind": "adam", "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6}, keras.optimizers.Adam(0.01, 0.8, 0.99, 1e-6)),
    ({"kind": "adamw", "weight_decay": 0.1}, keras.optimizers.AdamW(0.01, weight_decay=0.1)),
    ({"kind": "adagrad", "initial_accumulator": 0.3}, keras.optimizers.Adagrad(0.01, 0.3, epsilon=0.0)),
    ({"kind": "sgd", "momentum": 0.0}, keras.optimizers.SGD(0.01)),
    ({"kind": "sgd"}, keras.optimizers.SGD(0.01, momentum=0.9)),
    ({"kind": "sgd", "momentum": 0.8, "nesterov": True}, keras.optimizers.SGD(0.01, momentum=0.8, nesterov=True)),
    ({"clip_norm": 0.5}, keras.optimizers.Adam(0.01, global_clipnorm=0.5)),
    ({"kind": "sgd", "clip_norm": 0.5}, keras.optimizers.SGD(0.01, momentum=0.9, global_clipnorm=0.5)),
]
KINDS = [{"kind": "adam"}, {"kind": "adamw"}, {"kind": "adagrad"}, {"kind": "sgd"}]
TRUE = tf.constant(True)


def settings_of(document: dict[str, Any]) -> NetworkOptimizer:
    settings: NetworkOptimizer = TypeAdapter(AnySettings).validate_python({"learning_rate": 0.01, **document})
    return settings


def optimizer_of(document: dict[str, Any], **shapes: tuple[int, ...]) -> DenseOptimizer:
    return build_dense_optimizer(shapes, settings_of(document))


@pytest.mark.parametrize(("document", "oracle"), ORACLES, ids=[str(document) for document, _ in ORACLES])
def test_steps_equal_those_of_keras(document: dict[str, Any], oracle: Any) -> None:
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 2), (4,))]
    ours, theirs = [tf.Variable(start) for start in starts], [keras.Variable(start) for start in starts]
    optimizer = optimizer_of(document, w=(3, 2), b=(4,))
    step = tf.function(lambda gradients: optimizer.apply(gradients, ours, TRUE))
    for _ in range(20):
        gradients = [tf.constant(rng.normal(size=start.shape).astype(np.float32)) for start in starts]
        step(gradients)
        oracle.apply(gradients, theirs)
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(own.numpy(), other.numpy(), rtol=1e-4, atol=1e-6)
    assert optimizer.num_steps == 20


@pytest.mark.parametrize("document", KINDS, ids=str)
def test_disabled_step_changes_nothing_even_with_nan(document: dict[str, Any]) -> None:
    weight, optimizer = tf.Variable([1.0]), optimizer_of({"clip_norm": 1.0, **document}, w=(1,))
    optimizer.apply([tf.constant([0.5])], [weight], TRUE)

    def whole() -> tuple[Any, ...]:
        return (
            weight.numpy().tolist(),
            optimizer.num_steps,
            {name: each.tolist() for name, each in optimizer.state().items()},
        )

    before = whole()
    optimizer.apply([tf.constant([np.nan])], [weight], tf.constant(False))
    assert whole() == before


@pytest.mark.parametrize("document", KINDS, ids=str)
def test_restored_optimizer_goes_on_as_the_original(document: dict[str, Any]) -> None:
    weights = [tf.Variable([1.0, -2.0]) for _ in range(2)]
    first, second = (optimizer_of(document, w=(2,)) for _ in range(2))
    first.apply([tf.constant([0.5, 0.1])], [weights[0]], TRUE)
    weights[1].assign(weights[0])
    second.restore(first.state(), first.num_steps)
    for optimizer, weight in zip((first, second), weights, strict=True):
        optimizer.apply([tf.constant([-0.2, 0.3])], [weight], TRUE)
    np.testing.assert_array_equal(*(weight.numpy() for weight in weights))


def test_state_of_another_network_is_refused() -> None:
    with pytest.raises(CorruptRecord, match="optimizer state"):
        optimizer_of({}, w=(2,)).restore(optimizer_of({}, v=(2,)).state(), 1)


def test_adam_keeps_the_names_that_older_checkpoints_have() -> None:
    assert set(optimizer_of({}, w=(2,)).state()) == {"w/first", "w/second"}


@pytest.mark.parametrize(
    "document",
    [
        0.05,
        {"kind": "constant", "value": 0.05, "warmup_steps": 4},
        {"kind": "polynomial", "value": 0.1, "final": 0.01, "decay_steps": 7, "power": 2.0, "warmup_steps": 3},
        {"kind": "cosine", "value": 0.1, "final": 0.001, "decay_steps": 5},
    ],
    ids=str,
)
def test_rate_of_a_compiled_step_is_the_schedules_own(document: Any) -> None:
    schedule: Schedule = TypeAdapter(LearningRate).validate_python(document)
    compiled = tf.function(lambda step: rate_at(schedule, step))
    for step in range(15):
        assert float(compiled(tf.constant(step, tf.int64))) == pytest.approx(schedule.at(step), rel=1e-6)


def test_schedule_moves_the_first_step_by_its_first_rate() -> None:
    document = {"kind": "sgd", "momentum": 0.0, "learning_rate": {"kind": "constant", "value": 1.0, "warmup_steps": 4}}
    weight, optimizer = tf.Variable([0.0]), optimizer_of(document, w=(1,))
    seen = []
    for _ in range(5):
        optimizer.apply([tf.constant([-1.0])], [weight], TRUE)
        seen.append(float(weight.numpy()[0]))
    assert np.diff([0.0, *seen]).tolist() == [0.25, 0.5, 0.75, 1.0, 1.0]
