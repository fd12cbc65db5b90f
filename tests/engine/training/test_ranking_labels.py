from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.spec.task import BinaryLoss, BinaryTask, RegressionTask
from engine.training.ranking_labels import MAX_PAIRS, asking, ordered_pairs, positives, task_labels, user_pairs
from tests.engine.training.made import make_example

CLICK = BinaryTask()
BUY = BinaryTask(name="buy", event_type="purchase")
ORDER = BinaryTask(name="order", loss=BinaryLoss.LISTWISE)
SECONDS = RegressionTask(name="seconds", property="dwell_s")


def test_label_is_known_where_the_example_carries_it() -> None:
    first, second = make_example(0, 0, 0), make_example(1, 1, 1)
    first.labels.clear()
    first.labels.update({"click": 1.0, "click.dwell_s": 7.5})
    second.labels.clear()
    second.labels.update({"purchase": 0.0})
    labels, known = task_labels([CLICK, BUY, SECONDS], [first, second])
    assert labels.tolist() == [[1.0, 0.0, 7.5], [0.0, 0.0, 0.0]]
    assert known.tolist() == [[True, False, True], [False, True, False]]
    # a number is no positive, however great
    assert positives([CLICK, BUY, SECONDS], labels).tolist() == [[True, False, False], [False, False, False]]


def test_positives_of_actions_ask_for_negatives_and_with_a_loss_of_order_those_of_impressions_too() -> None:
    positive = np.array([[True, True], [True, True], [False, False]])
    asks = asking([CLICK, ORDER], positive, np.array([True, False, True]))
    assert asks.tolist() == [[True, True], [False, True], [False, False]]


rows = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["positive", "negative", "neither"])), max_size=30)


@given(rows)
def test_pairs_are_each_positive_with_each_negative_of_its_user(drawn: list[tuple[int, str]]) -> None:
    users = np.array([user for user, _ in drawn], np.int64)
    positive, negative = (np.array([kind == each for _, kind in drawn], np.bool_) for each in ("positive", "negative"))
    expected = {
        (one, other)
        for one, (user, kind) in enumerate(drawn)
        for other, (of, what) in enumerate(drawn)
        if kind == "positive" and what == "negative" and user == of
    }
    found = user_pairs(users, positive, negative)
    assert found.dtype == np.int32 and found.shape == (len(expected), 2)
    assert {(int(one), int(other)) for one, other in found} == expected


def test_a_positive_is_compared_with_so_many_negatives_at_most() -> None:
    num = MAX_PAIRS + 10
    positive = np.arange(num + 2) < 2
    found = user_pairs(np.zeros(num + 2, np.int64), positive, ~positive)
    assert found.shape == (2 * MAX_PAIRS, 2)
    assert found[:MAX_PAIRS, 1].tolist() == list(range(2, 2 + MAX_PAIRS))


def test_only_losses_of_order_compare_and_unknown_labels_are_left_out() -> None:
    labels = np.array([[1, 1], [0, 0], [0, 0]], np.float32)
    known = np.array([[True, True], [True, True], [True, False]])
    found = ordered_pairs([CLICK, ORDER], labels, known, np.zeros(3, np.int64))
    assert {name: pairs.tolist() for name, pairs in found.items()} == {"order": [[0, 1]]}
