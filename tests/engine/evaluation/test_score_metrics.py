"""Each metric of scores against a slow reading of its definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.auc import auc
from engine.evaluation.calibration import calibration, reliability
from engine.evaluation.grouped_auc import grouped_auc
from engine.evaluation.log_loss import log_loss
from engine.evaluation.normalised_entropy import normalised_entropy

Rows = list[tuple[float, bool, int]]
ROWS = st.lists(
    st.tuples(st.sampled_from([0.05, 0.1, 0.5, 0.9]), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40
)


def columns(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores, labels, users = zip(*rows, strict=True)
    return np.array(scores, np.float32), np.array(labels, np.float32), np.array(users, np.uint64)


def pairs_won(rows: Rows) -> float | None:
    pairs = [(own, other) for own, yes, _ in rows if yes for other, no, _ in rows if not no]
    return sum((own > other) + 0.5 * (own == other) for own, other in pairs) / len(pairs) if pairs else None


@given(ROWS)
def test_auc_equals_counting_pairs(rows: Rows) -> None:
    scores, labels, _ = columns(rows)
    assert auc(scores, labels) == pytest.approx(pairs_won(rows))


@given(ROWS)
def test_grouped_auc_equals_counting_pairs_of_each_user(rows: Rows) -> None:
    own = [[row for row in rows if row[2] == user] for user in range(4)]
    usable = [(len(each), value) for each in own if (value := pairs_won(each)) is not None]
    expected = sum(size * value for size, value in usable) / sum(size for size, _ in usable) if usable else None
    assert grouped_auc(*columns(rows)) == pytest.approx(expected)


def test_grouped_auc_does_not_mind_one_user_clicking_more_than_another() -> None:
    scores, labels = np.array([0.9, 0.8, 0.2, 0.1]), np.array([1.0, 0.0, 1.0, 0.0])
    assert (auc(scores, labels), grouped_auc(scores, labels, np.array([1, 1, 2, 2]))) == (0.75, 1.0)


@given(ROWS)
def test_log_loss_and_normalised_entropy_equal_their_sums(rows: Rows) -> None:
    scores, labels, _ = columns(rows)
    loss = sum(-math.log(score if label else 1 - score) for score, label, _ in rows) / len(rows)
    assert log_loss(scores, labels) == pytest.approx(loss, rel=1e-5)
    rate = sum(label for _, label, _ in rows) / len(rows)
    entropy = -sum(share * math.log(share) for share in (rate, 1 - rate) if share)
    assert normalised_entropy(scores, labels) == (pytest.approx(loss / entropy, rel=1e-5) if entropy else None)


def test_certainty_about_what_did_not_happen_costs_much_and_not_for_ever() -> None:
    assert log_loss(np.array([0.0]), np.array([1.0])) == pytest.approx(-math.log(1e-7))


def test_the_mean_rate_alone_has_a_normalised_entropy_of_one() -> None:
    labels = np.array([1.0, 0.0, 0.0, 0.0])
    assert normalised_entropy(np.full(4, 0.25), labels) == pytest.approx(1.0)


@given(ROWS)
def test_calibration_is_promised_over_happened(rows: Rows) -> None:
    scores, labels, _ = columns(rows)
    happened = sum(label for _, label, _ in rows)
    expected = pytest.approx(sum(score for score, _, _ in rows) / happened, rel=1e-5) if happened else None
    assert calibration(scores, labels) == expected


@given(ROWS, st.integers(1, 12))
def test_reliability_bins_hold_every_score_once_from_low_to_high(rows: Rows, num_bins: int) -> None:
    scores, labels, _ = columns(rows)
    bins = reliability(scores, labels, num_bins)
    assert len(bins) == min(num_bins, len(rows))
    assert sum(each["num"] for each in bins) == len(rows)
    assert max(each["num"] for each in bins) - min(each["num"] for each in bins) <= 1
    predicted = [each["predicted"] for each in bins]
    assert all(low <= high + 1e-7 for low, high in pairwise(predicted))
    assert sum(each["predicted"] * each["num"] for each in bins) == pytest.approx(float(scores.sum()), rel=1e-5)
    assert sum(each["observed"] * each["num"] for each in bins) == pytest.approx(float(labels.sum()))


def test_reliability_by_hand() -> None:
    bins = reliability(np.array([0.9, 0.1, 0.3, 0.7]), np.array([1.0, 0.0, 1.0, 1.0]), 2)
    assert bins == [
        {"predicted": pytest.approx(0.2), "observed": 0.5, "num": 2},
        {"predicted": pytest.approx(0.8), "observed": 1.0, "num": 2},
    ]


@pytest.mark.parametrize("metric", [auc, log_loss, normalised_entropy, calibration])
def test_nothing_has_no_value(metric: Callable[[np.ndarray, np.ndarray], float | None]) -> None:
    nothing = np.empty(0, np.float32)
    assert metric(nothing, nothing) is None
    assert grouped_auc(nothing, nothing, nothing) is None
    assert reliability(nothing, nothing) == []
