"""Off-policy estimates of ranked answers, against a world whose values are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.evaluation.off_policy.ranked import RankedLog, expected_rewards, ranked_estimates

NUM_ITEMS, K = 6, 3
APPEAL = np.array([0.5, 0.3, 0.2, 0.15, 0.1, 0.05])
PLACE = np.array([1.0, 0.6, 0.3])


def logged(num_answers: int, epsilon: float, target: list[int], seed: int = 7) -> RankedLog:
    """Answers 0, 1, 2 for everybody, but each place draws uniformly from all items with chance epsilon (repeats and all)."""
    rng = np.random.default_rng(seed)
    best = np.tile(np.arange(K), (num_answers, 1))
    drawn = rng.integers(NUM_ITEMS, size=best.shape)
    items = np.where(rng.random(best.shape) < epsilon, drawn, best)
    chance = np.where(items == best, 1 - epsilon + epsilon / NUM_ITEMS, epsilon / NUM_ITEMS)
    rewards = (rng.random(best.shape) < APPEAL[items] * PLACE).astype(np.float64)
    answers = np.repeat(np.arange(num_answers), K)
    return RankedLog(
        answers=answers,
        users=answers // 4,
        places=np.tile(np.arange(K), num_answers),
        items=items.ravel(),
        targets=np.tile(np.array(target), num_answers),
        rewards=rewards.ravel(),
        propensities=chance.ravel(),
    )


def test_estimates_find_the_value_of_what_was_seldom_shown() -> None:
    target = [3, 0, 1]
    truth = float((APPEAL[target] * PLACE).sum())
    found = ranked_estimates(logged(20_000, 0.5, target), seed=1)
    for name in ("ips", "snips", "dr"):
        estimate = found.by_estimator[name]
        assert estimate.low < truth < estimate.high, name
        assert estimate.value == pytest.approx(truth, rel=0.08), name
    doubly, plain = found.by_estimator["dr"], found.by_estimator["ips"]
    assert doubly.high - doubly.low < plain.high - plain.low
    assert 0 < found.effective_size < 20_000
    assert found.explored_share == 1.0


def test_policy_that_logged_is_worth_what_it_earned() -> None:
    log = logged(2_000, 0.0, [0, 1, 2])
    found = ranked_estimates(log, seed=1)
    for estimate in found.by_estimator.values():
        assert estimate.value == pytest.approx(found.logged.value)
    assert found.logged.value == pytest.approx(log.rewards.sum() / 2_000)
    assert found.effective_size == pytest.approx(2_000)
    assert (found.match_share, found.explored_share) == (1.0, 0.0)


def test_three_answers_by_hand() -> None:
    log = RankedLog(
        answers=np.array([0, 0, 1, 1, 2]),
        users=np.array([0, 0, 0, 0, 1]),
        places=np.array([0, 1, 0, 1, 0]),
        items=np.array([4, 5, 5, 4, 4]),
        targets=np.array([4, 4, 4, 4, 4]),
        rewards=np.array([1.0, 1.0, 1.0, 1.0, 0.0]),
        propensities=np.array([0.5, 1.0, 1.0, 0.25, 0.5]),
    )
    found = ranked_estimates(log, seed=0)
    # weights 2, 0, 0, 4, 2
    assert found.by_estimator["ips"].value == pytest.approx((2 + 4) / 3)
    # place 0: 2 / (2 + 2), in each answer; place 1: 4 / 4, in two of three
    assert found.by_estimator["snips"].value == pytest.approx(0.5 + 2 / 3)
    assert found.effective_size == pytest.approx(8**2 / 24 * 3 / 5)
    assert found.match_share == pytest.approx(3 / 5)
    assert found.logged.value == pytest.approx(4 / 3)


def test_expected_rewards_are_of_other_users() -> None:
    """Whoever is alone with an item tells nothing of it to themselves."""
    log = logged(400, 0.5, [0, 1, 2])
    lone = np.full(len(log), NUM_ITEMS)
    items = np.where(log.users == 3, lone, log.items)
    shown, target = expected_rewards(replace(log, items=items))
    outside = log.users != 3
    of_first = log.places[~outside] == 0
    fold_rate = shown[~outside][of_first]
    assert np.allclose(fold_rate, fold_rate[0]), "the prior alone: what the place earns among others"
    assert abs(fold_rate[0] - log.rewards[outside & (log.places == 0)].mean()) < 0.06
    nothing = expected_rewards(replace(log, targets=np.full(len(log), -1)))[1]
    assert (nothing == 0).all()
    assert (target > 0).all()


@pytest.mark.parametrize("propensity", [0.0, -0.1, 1.5, np.nan])
def test_propensity_that_is_none_is_refused(propensity: float) -> None:
    log = logged(10, 0.5, [0, 1, 2])
    with pytest.raises(ValueError, match="propensities"):
        ranked_estimates(replace(log, propensities=np.full(len(log), propensity)), seed=0)


def test_log_without_places_is_refused() -> None:
    empty = logged(0, 0.5, [0, 1, 2])
    with pytest.raises(ValueError, match="no places"):
        ranked_estimates(empty, seed=0)
