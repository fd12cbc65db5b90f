from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.training.draws import example_keys, uniform_draws, unit_draws
from engine.training.frequency import FrequencyEstimates
from engine.training.item_pool import ItemPool


def keys(num: int, start: int = 0, seed: int = 17) -> np.ndarray:
    return example_keys(seed, np.zeros(num, np.int64), np.arange(start, start + num))


def test_keys_tell_seed_partition_and_offset_apart() -> None:
    offsets = np.arange(1000)
    parts = [example_keys(seed, np.full(1000, partition), offsets) for seed in (0, 1) for partition in (0, 1)]
    assert np.unique(np.concatenate(parts)).size == 4000


def test_draws_are_uniform_and_within_their_size() -> None:
    draws = uniform_draws(keys(10_000), 5, np.full(10_000, 7))
    counts = np.bincount(draws.ravel(), minlength=7)
    # 50,000 draws: each count is 7,143 with standard deviation 78
    assert draws.min() == 0 and draws.max() == 6 and np.abs(counts - 50_000 / 7).max() < 5 * 78
    assert not np.array_equal(draws[:, 0], draws[:, 1])


def test_unit_draws_choose_their_share_and_streams_differ() -> None:
    first, second = unit_draws(keys(20_000), 1), unit_draws(keys(20_000), 2)
    assert (first < 0.05).mean() == pytest.approx(0.05, abs=5 * 0.0016)
    assert ((first < 0.5) & (second < 0.5)).mean() == pytest.approx(0.25, abs=0.02)


def test_negatives_come_only_from_pushes_before_the_example() -> None:
    pool = ItemPool(max_batch=4, window=3)
    before = pool.push(np.array([10, 11, 12, 13]))
    drawn, possible = pool.draw(before, keys(4), 200)
    assert possible.tolist() == [False, True, True, True]
    assert [set(row.tolist()) for row in drawn[1:]] == [{10}, {10, 11}, {10, 11, 12}]
    before = pool.push(np.array([14, 15]))
    drawn, _ = pool.draw(before, keys(2), 200)
    assert [set(row.tolist()) for row in drawn] == [{11, 12, 13}, {12, 13, 14}]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 8), st.integers(1, 10))
def test_negatives_do_not_depend_on_batches_or_restarts(rows: list[int], size: int, window: int) -> None:
    whole = ItemPool(max_batch=60, window=window)
    before = whole.push(np.array(rows))
    expected, _ = whole.draw(before, keys(len(rows)), 3)
    cut, drawn = ItemPool(max_batch=8, window=window), []
    for start in range(0, len(rows), size):
        part = np.array(rows[start : start + size])
        restored = ItemPool(max_batch=8, window=window)
        restored.restore(cut.recent(), cut.num_pushed)
        cut = restored
        before = cut.push(part)
        drawn.append(cut.draw(before, keys(part.size, start), 3)[0])
    # The very first example has nothing to draw from; what stands in its row means nothing.
    np.testing.assert_array_equal(np.concatenate(drawn)[1:], expected[1:])
    np.testing.assert_array_equal(cut.recent(), whole.recent())


def test_counts_are_of_the_window() -> None:
    pool = ItemPool(max_batch=4, window=3)
    pool.push(np.array([0, 1, 1, 2]))
    assert pool.counts(4).tolist() == [0, 2, 1, 0]


@given(st.lists(st.integers(0, 6), max_size=80), st.integers(1, 9))
def test_frequency_follows_the_papers_recurrence(rows: list[int], size: int) -> None:
    estimates = FrequencyEstimates(7, rate=0.1)
    for start in range(0, len(rows), size):
        estimates.observe(np.array(rows[start : start + size], np.int64))
    last: dict[int, int] = {}
    gap: dict[int, float] = {}
    for time, row in enumerate(rows, 1):
        rate = max(0.1, 1 / (1 + rows[: time - 1].count(row)))
        gap[row] = (1 - rate) * gap[row] + rate * (time - last[row]) if row in last else float(time)
        last[row] = time
    for row, expected in gap.items():
        assert estimates.gap[row] == pytest.approx(expected)
        assert estimates.count[row] == rows.count(row)
    assert estimates.num_seen == len(rows)


def test_item_seen_a_few_times_has_the_frequency_it_was_seen_with() -> None:
    estimates = FrequencyEstimates(2, rate=0.05)
    # Row 0 comes 1st, 5th and 12th; an average that starts from the first gap, 1, would still be near it.
    estimates.observe(np.array([0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0]))
    assert np.exp(estimates.log_probability(np.array([0]))) == pytest.approx([3 / 12])


def test_estimate_has_no_bias_on_average_over_many_rows() -> None:
    """1,000 rows of probability 1/1,000 each: the mean gap is 1,000, whatever came first."""
    estimates = FrequencyEstimates(1000, rate=0.05)
    rng = np.random.default_rng(2)
    for _ in range(40):
        estimates.observe(rng.integers(1000, size=1000))
    assert estimates.gap.mean() == pytest.approx(1000, rel=0.02)
    # The moving average of gaps spread by 1,000 spreads by 1,000 · sqrt(a / (2 - a)), and a mean of 40 by less.
    assert estimates.gap.std() < 1000 * np.sqrt(0.05 / 1.95) * 1.15


def test_estimate_follows_an_item_that_becomes_popular() -> None:
    estimates = FrequencyEstimates(2, rate=0.05)
    rng = np.random.default_rng(4)
    estimates.observe((rng.random(20_000) > 0.01).astype(np.int64))
    assert np.exp(estimates.log_probability(np.array([0]))) == pytest.approx([0.01], rel=0.5)
    estimates.observe((rng.random(1_000) > 0.5).astype(np.int64))
    assert np.exp(estimates.log_probability(np.array([0]))) == pytest.approx([0.5], rel=0.3)


def test_frequency_finds_known_probabilities_and_forgets_reused_rows() -> None:
    probabilities = np.array([0.6, 0.3, 0.1])
    estimates = FrequencyEstimates(4, rate=0.01)
    rows = np.random.default_rng(0).choice(3, 20_000, p=probabilities)
    for start in range(0, rows.size, 500):
        estimates.observe(rows[start : start + 500])
    np.testing.assert_allclose(np.exp(estimates.log_probability(np.arange(3))), probabilities, rtol=0.3)
    estimates.forget([0])
    assert np.exp(estimates.log_probability(np.array([0, 3]))) == pytest.approx([1e-6, 1e-6])
