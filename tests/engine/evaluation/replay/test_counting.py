"""Counters and co-occurrence against sums over all events."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluation.replay.cooccurrence import CoOccurrence
from engine.evaluation.replay.counters import DecayedSums, SlidingCounts
from tests.engine.evaluation.replay.small_log import MINUTE_MS, generated_log, log_of


def test_a_window_holds_what_is_no_older_than_it_and_nothing_of_now() -> None:
    times_ms = np.array([0, 10, 20, 20, 30])
    window = SlidingCounts(np.array([1, 0, 1, 1, 0]), times_ms, 2, window_ms=20)
    window.advance(20)
    assert window.counts.tolist() == [1, 1]
    window.advance(30)
    assert window.counts.tolist() == [1, 2]
    window.advance(1000)
    assert window.counts.tolist() == [0, 0]


def test_a_decayed_sum_is_the_sum_over_all_events_at_any_moment() -> None:
    rng = np.random.default_rng(0)
    times_ms = np.sort(rng.integers(0, 1_000_000, 400))
    keys = rng.integers(0, 5, 400)
    sums = DecayedSums(5, half_life_ms=3_000.0)
    done = 0
    for now_ms in (50_000, 400_000, 999_000):
        end = int(np.searchsorted(times_ms, now_ms))
        sums.add(keys[done:end], times_ms[done:end])
        done = end
        weights = np.exp2(-(now_ms - times_ms[:end]) / 3_000.0)
        expected = np.bincount(keys[:end], weights=weights, minlength=5)
        assert sums.at(now_ms) == pytest.approx(expected, rel=1e-5, abs=1e-30)


def test_co_occurrence_counts_each_pair_of_a_session_both_ways_and_nothing_of_the_future() -> None:
    log = log_of([(0, 0, 0, 0), (0, 0, 1, 1), (1, 1, 2, 2), (0, 0, 2, 3)])
    together = CoOccurrence(log, half_life_ms=1e15)
    columns = np.arange(3, dtype=np.int32)
    one = np.ones((3, 1), np.float32)
    seeds = np.array([[0], [1], [2]])
    together.advance(2)
    assert np.round(together.scores(seeds, one, columns, 3, 0), 6).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    together.advance(4)
    scores = np.round(together.scores(seeds, one, columns, 3, 3 * MINUTE_MS), 6)
    assert scores.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert np.round(together.row_sums(3 * MINUTE_MS, np.array([0, -1])), 6).tolist() == [2, 0]


def test_directed_co_occurrence_goes_from_earlier_to_later() -> None:
    log = log_of([(0, 0, 0, 0), (0, 0, 1, 1)])
    together = CoOccurrence(log, half_life_ms=1e15, depth=1, directed=True)
    together.advance(2)
    scores = together.scores(np.array([[0], [1]]), np.ones((2, 1), np.float32), np.arange(2, dtype=np.int32), 2, 60_000)
    assert np.round(scores, 6).tolist() == [[0, 1], [0, 0]]


def test_co_occurrence_of_several_seeds_is_the_weighted_sum_of_theirs() -> None:
    log = generated_log(400)
    together = CoOccurrence(log, half_life_ms=30.0 * MINUTE_MS)
    together.advance(len(log))
    columns = np.arange(log.num_items, dtype=np.int32)
    now_ms = int(log.times_ms[-1])
    weight = np.array([[0.5, 2.0, 1.0]], np.float32)
    both = together.scores(np.array([[3, 8, -1]]), weight, columns, log.num_items, now_ms)
    single = [
        together.scores(np.array([[seed]]), np.ones((1, 1), np.float32), columns, log.num_items, now_ms)
        for seed in (3, 8)
    ]
    assert both == pytest.approx(0.5 * single[0] + 2.0 * single[1], rel=1e-5)
