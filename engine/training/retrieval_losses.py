"""What a retrieval model minimises: each user's item against the others of the batch, in TensorFlow."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.two_tower import sampled_softmax
from engine.spec.retrieval import Retrieval, RetrievalLoss


def retrieval_loss(settings: Retrieval, cosines: Any, item_keys: Any, log_q: Any) -> Any:
    """float32[n] by the definition's `loss`; arguments as of `engine.models.two_tower.sampled_softmax`."""
    if settings.loss is RetrievalLoss.SOFTMAX:
        return sampled_softmax(cosines, item_keys, log_q, settings.temperature)
    # Centred, so that an item of average frequency is corrected by nothing: unlike a softmax, bce feels a constant.
    logits = cosines / settings.temperature - (log_q - tf.reduce_mean(log_q))[tf.newaxis, :]
    places = negative_places(tf.shape(cosines)[0], tf.shape(cosines)[1], settings.num_negatives)
    is_other = tf.not_equal(tf.gather(item_keys, places), item_keys[: tf.shape(cosines)[0], tf.newaxis])
    own, others = tf.linalg.diag_part(logits), tf.gather(logits, places, batch_dims=1)
    if settings.loss is RetrievalLoss.BCE:
        return tf.nn.softplus(-own) + _mean(tf.nn.softplus(others), is_other)
    return _mean(tf.nn.softplus(others - own[:, tf.newaxis]), is_other)


def negative_places(num_users: Any, num_candidates: Any, num_negatives: int) -> Any:
    """int32[n, k]: the candidates that each user's own, of the same place, is compared with.

    Spread evenly over the batch: neighbours in a log are often clicks of one user. Candidates are drawn by popularity, those of the
    other users as those of the pool, which is what `log_q` corrects.
    """
    steps = (tf.range(num_negatives, dtype=tf.int32) + 1) * num_candidates // (num_negatives + 1)
    return (tf.range(num_users)[:, tf.newaxis] + steps[tf.newaxis, :]) % num_candidates


def _mean(losses: Any, counted: Any) -> Any:
    """float32[n] of float32[n, k] where `counted` bool[n, k]; 0 where nothing is."""
    weights = tf.cast(counted, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(losses * weights, axis=1), tf.reduce_sum(weights, axis=1))
