"""Floors, ranks and rates counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluation.replay.floors import floor_scores, hit_rates, replay_floors
from engine.evaluation.replay.moments import chosen_clicks, moments, rank_of_targets
from tests.engine.evaluation.replay.small_log import MINUTE_MS, generated_log, log_of


def test_a_rank_counts_what_scores_higher_and_half_of_what_ties() -> None:
    scores = np.array([[3.0, 1.0, 2.0], [0.0, 0.0, 0.0], [1.0, -np.inf, 0.0], [1.0, 2.0, 3.0]])
    assert rank_of_targets(scores, np.array([2, 0, 1, -1])).tolist() == [1, 1, 3, 3]


def test_rates_count_hits_and_their_places() -> None:
    rates = hit_rates(np.array([0, 1, 10, 99]))
    assert rates["hit_rate_at_10"] == 0.5
    assert rates["mrr_at_10"] == pytest.approx((1 + 1 / 2) / 4)


def test_moments_split_the_log_without_a_gap() -> None:
    log = generated_log(200)
    found = list(moments(log, MINUTE_MS))
    assert [moment.start for moment in found[1:]] == [moment.end for moment in found[:-1]]
    assert (found[0].start, found[-1].end) == (0, len(log))
    for moment in found:
        assert (log.times_ms[moment.start : moment.end] // MINUTE_MS * MINUTE_MS == moment.time_ms).all()


def test_popularity_knows_nothing_after_the_last_refresh_and_leaves_the_session_out() -> None:
    # In the first minute item 0 is clicked three times and item 1 once; in the second user 9's session has clicked item 0.
    clicks = [
        (0, 0, 0, 0.1),
        (1, 1, 0, 0.2),
        (2, 2, 0, 0.3),
        (3, 3, 1, 0.4),
        (9, 9, 0, 1.1),
        (9, 9, 1, 1.2),
        (8, 8, 2, 1.3),
    ]
    log = log_of(clicks)
    predicted = np.array([False] * 4 + [True] * 3)
    ranks = replay_floors(log, predicted).ranks["popular_1h"]
    # item 0 leads; with item 0 left out item 1 leads; item 2 was never clicked before
    assert ranks[:2].tolist() == [0, 0]
    assert ranks[2] >= 2


def test_co_occurrence_finds_the_partner_that_popularity_cannot() -> None:
    log = generated_log()
    predicted = chosen_clicks(log, 20 * MINUTE_MS, 1.0, seed=0)
    ranks = replay_floors(log, predicted).ranks
    second = np.flatnonzero(predicted)
    is_second = np.isin(log.items[second] % 2, 1)
    together = hit_rates(ranks["co-occurrence"][is_second], lengths=(1,))["hit_rate_at_1"]
    popular = hit_rates(ranks["popular_1h"][is_second], lengths=(1,))["hit_rate_at_1"]
    assert together > 0.8 > 0.3 > popular


def test_a_blend_of_weight_nothing_would_be_popularity() -> None:
    popular = {1: np.array([3.0, 1.0, 0.0], np.float32)}
    scores = floor_scores(popular, np.array([[0.0, 0.0, 2.0]], np.float32))
    assert scores["co-occurrence"].argmax() == 2
    assert scores["blend_0.05"].argmax() == 0
    assert scores["blend_1.6"].argmax() == 2


def test_predicted_clicks_come_after_the_warm_up_and_are_the_same_each_time() -> None:
    log = generated_log(400)
    chosen = chosen_clicks(log, 5 * MINUTE_MS, 0.5, seed=1)
    assert log.times_ms[chosen].min() >= 5 * MINUTE_MS
    assert 0.3 < chosen[log.times_ms >= 5 * MINUTE_MS].mean() < 0.7
    assert (chosen == chosen_clicks(log, 5 * MINUTE_MS, 0.5, seed=1)).all()
