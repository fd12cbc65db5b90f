from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from engine.models.outputs import transformed, untransformed
from engine.spec.task import RegressionLoss, TargetTransform
from engine.training.losses import (
    corrected_cross_entropy,
    listwise_loss,
    pairwise_loss,
    regression_loss,
)

PAIRS = tf.constant([[0, 1], [0, 2], [3, 2]], tf.int32)


def test_cross_entropy_by_hand() -> None:
    losses = corrected_cross_entropy(tf.constant([0.0, 0.0, np.log(3.0)]), tf.constant([1.0, 0.0, 1.0]), tf.ones(3))
    np.testing.assert_allclose(losses.numpy(), [np.log(2), np.log(2), np.log(4 / 3)], rtol=1e-6)


@pytest.mark.parametrize("rate", [0.5, 0.1])
def test_correction_recovers_the_odds_before_sampling(rate: float) -> None:
    """Of a population with 20 % positives keep every positive and a share of the negatives: the best logit is still ln(0.2 / 0.8)."""
    positives, negatives = 0.2, 0.8 * rate
    grid = np.linspace(-4, 4, 8001).astype(np.float32)
    rates = tf.fill([grid.size], np.float32(rate))
    loss = positives * corrected_cross_entropy(grid, tf.ones(grid.size), rates)
    loss += negatives * corrected_cross_entropy(grid, tf.zeros(grid.size), rates)
    assert grid[np.argmin(loss.numpy())] == pytest.approx(np.log(0.2 / 0.8), abs=0.01)


def test_pairwise_is_the_mean_over_a_positives_pairs_and_zero_without_any() -> None:
    losses = pairwise_loss(tf.constant([1.0, 0.0, 3.0, 3.0]), PAIRS)
    expected = [(np.log1p(np.exp(-1.0)) + np.log1p(np.exp(2.0))) / 2, 0.0, 0.0, np.log(2.0)]
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-6)


def test_listwise_is_the_softmax_of_a_positive_among_its_negatives() -> None:
    losses = listwise_loss(tf.constant([1.0, 0.0, 3.0, 3.0]), PAIRS)
    first = -np.log(np.exp(1.0) / (np.exp(1.0) + np.exp(0.0) + np.exp(3.0)))
    np.testing.assert_allclose(losses.numpy(), [first, 0.0, 0.0, np.log(2.0)], rtol=1e-6)


def test_listwise_stays_finite_at_any_distance() -> None:
    logits = tf.Variable([-300.0, 300.0, 0.0, 500.0])
    with tf.GradientTape() as tape:
        losses = listwise_loss(logits, PAIRS)
    np.testing.assert_allclose(losses.numpy(), [600.0, 0.0, 0.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(tf.convert_to_tensor(tape.gradient(losses, logits)), [-1.0, 1.0, 0.0, 0.0], atol=1e-6)


def test_without_pairs_there_is_nothing_to_order() -> None:
    none = tf.zeros([0, 2], tf.int32)
    for loss in (pairwise_loss, listwise_loss):
        logits = tf.Variable([1.0, 2.0])
        with tf.GradientTape() as tape:
            losses = loss(logits, none)
        assert losses.numpy().tolist() == [0.0, 0.0]
        assert np.abs(tf.convert_to_tensor(tape.gradient(losses, logits)).numpy()).max() == 0.0


def test_regression_is_half_the_square_and_linear_beyond_one_with_huber() -> None:
    predictions, targets = tf.constant([0.0, 0.0, 3.0]), tf.constant([0.5, -1.0, 0.0])
    assert regression_loss(RegressionLoss.MSE, predictions, targets).numpy().tolist() == [0.125, 0.5, 4.5]
    assert regression_loss(RegressionLoss.HUBER, predictions, targets).numpy().tolist() == [0.125, 0.5, 2.5]


@pytest.mark.parametrize("transform", list(TargetTransform))
def test_a_prediction_comes_back_on_the_scale_of_its_target(transform: TargetTransform) -> None:
    targets = tf.constant([-3.0, 0.0, 0.5, 120.0])
    learned = transformed(transform, targets)
    if transform is TargetTransform.LOG1P:
        np.testing.assert_allclose(learned.numpy(), [-np.log(4.0), 0.0, np.log(1.5), np.log(121.0)], rtol=1e-6)
    np.testing.assert_allclose(untransformed(transform, learned).numpy(), targets.numpy(), rtol=1e-5)
