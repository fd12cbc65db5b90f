"""Intervals of experiments: right by hand, and seldom wrong under continuous peeking."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from webapp.experiments.statistics import MIN_USERS, Estimate, Moments, contrast, estimate, interval

Floats = npt.NDArray[np.float64]
ALPHA = 0.05


def moments_of(x: Floats, y: Floats) -> Moments:
    sums = [float(one.sum()) for one in (x, y, x * x, x * y, y * y)]
    return Moments(len(x), *sums)


def test_it_estimates_a_ratio_by_users() -> None:
    # users with 1 of 2, 0 of 2 and 3 of 4: m = 4/8; z = (x - y/2) / (8/3) = 0, -3/8, 3/8; var = (2 * 9/64 / 2) / 3
    found = estimate(moments_of(np.array([1.0, 0, 3]), np.array([2.0, 2, 4])))
    assert found is not None
    assert (found.value, found.num) == (0.5, 3)
    assert found.variance == pytest.approx(9 / 64 / 3)
    assert estimate(Moments(0, 0, 0, 0, 0, 0)) is None


def test_it_estimates_a_mean_as_everyone_does() -> None:
    x = np.random.default_rng(1).poisson(2, 500).astype(float)
    found = estimate(moments_of(x, np.ones(500)))
    assert found is not None
    assert found.value == pytest.approx(x.mean())
    assert found.variance == pytest.approx(x.var(ddof=1) / 500)


def test_its_intervals_are_wider_than_those_of_a_single_look_and_narrow_with_users() -> None:
    widths = []
    for num in (200, 1_000, 5_000, 50_000, 1_000_000):
        found = interval(Estimate(0.1, 0.09 / num, num, 0.1 * num), ALPHA)
        assert found is not None
        widths.append((found.high - found.low) / 2 / math.sqrt(0.09 / num))
        assert 1.96 < widths[-1] < 6
    assert min(widths) == widths[2]  # of these, what they are tuned for


def test_it_says_nothing_of_a_few_users() -> None:
    few, many = Estimate(0.1, 0.001, MIN_USERS - 1, 50), Estimate(0.1, 0.001, MIN_USERS, 50)
    assert interval(few, ALPHA) is None
    assert contrast(few, many, ALPHA) is None
    assert contrast(many, many, ALPHA) is not None


def test_it_says_nothing_of_what_hardly_ever_happened() -> None:
    never, seldom, often = Estimate(0.0, 0.0, 500, 0), Estimate(0.01, 0.0001, 500, 5), Estimate(0.04, 0.0001, 500, 20)
    assert interval(never, ALPHA) is None
    assert interval(seldom, ALPHA) is None
    assert contrast(never, seldom, ALPHA) is None
    assert contrast(never, often, ALPHA) is not None, "an arm in which nothing happens is judged by the other"


def peeked(rng: np.random.Generator, lift: float, num_looks: int = 120) -> bool:
    """Whether an experiment is ever called decided, looked at all the time while users arrive, come back and differ from each other."""
    rates: list[Floats] = [np.empty(0), np.empty(0)]
    x: list[Floats] = [np.empty(0), np.empty(0)]
    y: list[Floats] = [np.empty(0), np.empty(0)]
    for _ in range(num_looks):
        for arm in (0, 1):
            num_new = rng.poisson(20)
            rates[arm] = np.concatenate([rates[arm], rng.beta(1, 9, num_new) * (1 + lift * arm)])
            back = rng.random(len(rates[arm])) < 0.1
            back[len(rates[arm]) - num_new :] = True
            shown = np.where(back, 10, 0)
            x[arm] = np.concatenate([x[arm], np.zeros(num_new)]) + rng.binomial(shown, np.minimum(1, rates[arm]))
            y[arm] = np.concatenate([y[arm], np.zeros(num_new)]) + shown
        control, treatment = (estimate(moments_of(x[arm], y[arm])) for arm in (0, 1))
        assert control is not None
        assert treatment is not None
        found = contrast(treatment, control, ALPHA)
        if found is not None and not found.low <= 0 <= found.high:
            return True
    return False


def test_it_is_seldom_fooled_by_continuous_peeking_and_finds_what_is_there() -> None:
    """A test meant for one look (1.96 standard errors), peeked at like this, calls 122 of these 400 equal pairs different."""
    rng = np.random.default_rng(20261121)
    num_fooled = sum(peeked(rng, 0.0) for _ in range(400))
    assert num_fooled / 400 <= ALPHA, num_fooled
    assert sum(peeked(rng, 0.5) for _ in range(20)) >= 18
