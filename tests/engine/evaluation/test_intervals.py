"""Bootstrap intervals, against what theory says."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluation.intervals import bootstrap, gain_of, mean_of


def test_a_mean_is_within_its_interval_which_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(0).random(2000) < 0.3
    estimate = mean_of(values, seed=1)
    assert estimate.value == values.mean()
    half_width = 1.96 * np.sqrt(0.3 * 0.7 / 2000)
    assert estimate.high - estimate.low == pytest.approx(2 * half_width, rel=0.1)


def test_rows_of_one_group_are_drawn_together() -> None:
    values = np.repeat(np.random.default_rng(0).random(200) < 0.5, 10)
    groups = np.repeat(np.arange(200), 10)
    alone, together = mean_of(values, seed=1), mean_of(values, seed=1, groups=groups)
    assert together.value == alone.value
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(10), rel=0.15)


def test_a_gain_in_pairs_is_narrower_than_its_parts() -> None:
    base = np.random.default_rng(0).random(3000) < 0.5
    better = base | (np.random.default_rng(1).random(3000) < 0.02)
    gain = gain_of(better, base, seed=1)
    assert gain.low > 0
    assert gain.high - gain.low < 0.02


def test_an_interval_repeats_with_its_seed() -> None:
    rows = np.random.default_rng(0).random((50, 2))
    first = bootstrap(rows, lambda sums: sums[:, 0] / sums[:, 1], seed=5)
    assert first == bootstrap(rows, lambda sums: sums[:, 0] / sums[:, 1], seed=5)


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        mean_of(np.empty(0), seed=0)
