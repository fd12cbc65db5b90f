"""bce and bpr of a retrieval model, written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from engine.spec.retrieval import TwoTower
from engine.training.retrieval_losses import negative_places, retrieval_loss

COSINES = np.random.default_rng(2).uniform(-1, 1, (3, 8)).astype(np.float32)
KEYS = np.array([5, 6, 7, 8, 6, 5, 9, 5], np.int64)
LOG_Q = np.log(np.array([0.3, 0.2, 0.05, 0.1, 0.2, 0.3, 0.01, 0.3])).astype(np.float32)


def losses_of(loss: str) -> np.ndarray:
    settings = TwoTower(loss=loss, num_negatives=3, temperature=0.5)
    found: np.ndarray = retrieval_loss(settings, tf.constant(COSINES), tf.constant(KEYS), tf.constant(LOG_Q)).numpy()
    return found


def softplus(value: float) -> float:
    return float(np.log1p(np.exp(value)))


@pytest.mark.parametrize("loss", ["bce", "bpr"])
def test_each_item_is_compared_with_others_of_the_batch_by_corrected_logits(loss: str) -> None:
    logits = COSINES / 0.5 - (LOG_Q - LOG_Q.mean())
    # 8 candidates and 3 negatives: 2, 4 and 6 places on. Those with the user's own item are no negatives.
    places = {0: [2, 4, 6], 1: [3, 5, 7], 2: [4, 6, 0]}
    expected = []
    for user, others in places.items():
        own = logits[user, user]
        counted = [logits[user, place] for place in others if KEYS[place] != KEYS[user]]
        if loss == "bce":
            expected.append(softplus(-own) + np.mean([softplus(other) for other in counted]))
        else:
            expected.append(np.mean([softplus(other - own) for other in counted]))
    np.testing.assert_allclose(losses_of(loss), expected, rtol=1e-5)


def test_the_own_item_again_is_no_negative() -> None:
    keys = np.zeros(8, np.int64)
    settings = TwoTower(loss="bpr", num_negatives=3)
    losses = retrieval_loss(settings, tf.constant(COSINES), tf.constant(keys), tf.constant(LOG_Q))
    np.testing.assert_array_equal(losses, np.zeros(3))


def test_negatives_are_spread_over_the_batch_and_never_the_user_itself() -> None:
    places = negative_places(64, 256, 16).numpy()
    assert all(len(set(row)) == 16 and user not in row for user, row in enumerate(places.tolist()))
    assert np.diff(places[0]).min() >= 15
