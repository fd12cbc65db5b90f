from __future__ import annotations

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.auc import StreamingAuc, auc
from engine.evaluation.stream_metrics import DecayedMean, StreamMetrics, log_loss


def brute_force(scores: np.ndarray, labels: np.ndarray) -> float:
    positives, negatives = scores[labels > 0.5], scores[labels <= 0.5]
    wins = (positives[:, None] > negatives[None, :]).mean()
    return float(wins + 0.5 * (positives[:, None] == negatives[None, :]).mean())


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=1, max_size=40))
def test_auc_equals_counting_pairs(rows: list[tuple[float, bool]]) -> None:
    scores, labels = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    if labels.min() == labels.max():
        assert auc(scores, labels) is None
    else:
        assert auc(scores, labels) == pytest.approx(brute_force(scores, labels))


@pytest.mark.parametrize("centre", [0.0, -6.0])
def test_streaming_auc_is_close_to_the_exact_one_even_for_rare_events(centre: float) -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(5000) < 0.3).astype(np.float64)
    scores = 1 / (1 + np.exp(-(centre + labels + rng.normal(size=5000))))
    streaming = StreamingAuc(half_life=1e12)
    for start in range(0, 5000, 64):
        streaming.note(scores[start : start + 64], labels[start : start + 64])
    assert streaming.value == pytest.approx(brute_force(scores, labels), abs=2e-3)


def test_streaming_auc_forgets() -> None:
    streaming = StreamingAuc(half_life=100)
    scores, labels = np.array([0.2, 0.8] * 50), np.array([0.0, 1.0] * 50)
    streaming.note(scores, labels)
    assert streaming.value == 1.0
    for _ in range(20):
        streaming.note(scores, 1.0 - labels)
    assert streaming.value == pytest.approx(0.0, abs=1e-5)


def test_one_label_alone_has_no_auc() -> None:
    streaming = StreamingAuc()
    streaming.note(np.array([0.0, 1.0]), np.ones(2))
    assert streaming.value is None


def test_log_loss_by_hand_and_never_infinite() -> None:
    assert log_loss(np.array([0.5, 0.25]), np.array([1.0, 0.0])) == pytest.approx((np.log(2) - np.log(0.75)) / 2)
    assert log_loss(np.array([0.0]), np.array([1.0])) == pytest.approx(-np.log(1e-7))


def test_decayed_mean_weighs_by_age() -> None:
    mean = DecayedMean(half_life=1)
    mean.note(0.0, 1)
    mean.note(1.0, 1)
    assert mean.value == pytest.approx(1 / 1.5)  # weights 1/2 and 1


def test_metrics_survive_json() -> None:
    metrics = StreamMetrics()
    assert set(metrics.values().values()) == {None}
    metrics.note(0.7, np.array([0.2, 0.9, 0.6]), np.array([0.0, 1.0, 0.0]), with_log_loss=True)
    metrics.hits.note(np.array([True, False]), np.array([False, False]))
    restored = StreamMetrics.from_json(orjson.loads(orjson.dumps(metrics.as_json())))
    assert restored.values() == metrics.values()
    assert restored.values()["hr_at_10"] == 0.5
    assert restored.values()["auc"] == 1.0
