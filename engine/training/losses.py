"""What each task minimises: the loss of every row, in TensorFlow."""

from __future__ import annotations

import math
from typing import Any, Final

import tensorflow as tf

from engine.spec.task import RegressionLoss

HUBER_DELTA: Final = 1.0
MAX_CORRECTING: Final = 20.0
"""Reached where the model is sure at 95 %: it had believed in the positive all the same."""


def corrected_cross_entropy(logits: Any, labels: Any, sampling_rates: Any) -> Any:
    """Binary cross-entropy of each row on `logits - ln(sampling_rate)`; all float32[n].

    Where a share r of the rows' negatives was kept, the odds in the sample are 1/r times the true odds. Learning through z - ln r
    leaves z itself the log-odds before sampling, so that serving needs no correction. The identity holds for rows whose whole
    population, positives too, carries the same r.
    """
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits - tf.math.log(sampling_rates))


def correcting_weights(logits: Any, sampling_rates: Any) -> Any:
    """Of each row the weight of a positive that was learned as a negative before, so that its step takes that one back; all float32[n].

    With s = sigmoid(z), z the logit as it is learned (after sampling), a positive pulls by s - 1, and the negative pulled by s. Both
    together are to pull as the positive alone: s - 1 - s = (s - 1) / (1 - s). So the weight is 1 / (1 - s) = 1 + exp(z), through which no
    gradient goes: an importance weight, as in the fake negative weighted loss (Ktena et al., RecSys 2019, arXiv 1907.06558), which
    estimates for every row how likely its negative is a fake; here it is known. At most `MAX_CORRECTING`.
    """
    learned = logits - tf.math.log(sampling_rates)
    return tf.stop_gradient(1.0 + tf.exp(tf.minimum(learned, math.log(MAX_CORRECTING - 1.0))))


def pairwise_loss(logits: Any, pairs: Any) -> Any:
    """float32[n]: of each positive the mean over its pairs of ln(1 + exp(z_negative - z_positive)); 0 for a row without pairs.

    logits float32[n], already corrected by - ln r; pairs int32[m, 2], each a positive's row and that of a negative of the same user.
    RankNet's loss (Burges et al., ICML 2005) on binary labels, which is BPR's (Rendle et al., UAI 2009).
    """
    num_rows = tf.shape(logits)[0]
    positives, negatives = pairs[:, 0], pairs[:, 1]
    losses = tf.nn.softplus(tf.gather(logits, negatives) - tf.gather(logits, positives))
    counts = tf.math.unsorted_segment_sum(tf.ones_like(losses), positives, num_rows)
    return tf.math.divide_no_nan(tf.math.unsorted_segment_sum(losses, positives, num_rows), counts)


def listwise_loss(logits: Any, pairs: Any) -> Any:
    """float32[n]: of each positive -ln(exp z_+ / (exp z_+ + Σ exp z_negative)) over its pairs; 0 for a row without pairs.

    Arguments as of `pairwise_loss`. Softmax cross-entropy of one positive among the negatives of its list (ListNet's top-one
    probability, Cao et al., ICML 2007); with z corrected by - ln r it is a sampled softmax.
    """
    num_rows = tf.shape(logits)[0]
    positives, negatives = pairs[:, 0], pairs[:, 1]
    differences = tf.gather(logits, negatives) - tf.gather(logits, positives)
    # The greatest of each list, and 0 for the positive itself, taken out so that no exponential overflows.
    greatest = tf.stop_gradient(tf.maximum(tf.math.unsorted_segment_max(differences, positives, num_rows), 0.0))
    exponentials = tf.exp(differences - tf.gather(greatest, positives))
    return greatest + tf.math.log(tf.exp(-greatest) + tf.math.unsorted_segment_sum(exponentials, positives, num_rows))


def regression_loss(kind: RegressionLoss, predictions: Any, targets: Any) -> Any:
    """float32[n]: half the square of the distance; `huber` beyond a distance of 1 grows linearly. Both on the learned scale."""
    distances = tf.abs(predictions - targets)
    squares = 0.5 * tf.square(distances)
    if kind is RegressionLoss.MSE:
        return squares
    return tf.where(distances <= HUBER_DELTA, squares, HUBER_DELTA * (distances - 0.5 * HUBER_DELTA))
