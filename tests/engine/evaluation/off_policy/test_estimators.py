"""Estimators on logs whose right answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidDocument
from engine.evaluation.off_policy.estimators import effective_size, estimates, on_policy
from engine.evaluation.off_policy.evaluation import OffPolicyPlan, evaluate_off_policy
from engine.evaluation.off_policy.log import ChoiceColumns, ChoiceLog, read_choices
from engine.evaluation.off_policy.policies import as_chosen_in, folds_of, greedy, reward_rates, uniform

RATES = np.array([[0.1, 0.5, 0.3], [0.6, 0.2, 0.1]])


def _log(num_rows: int, policy: np.ndarray, seed: int) -> ChoiceLog:
    """Choices of items by stratum as `policy` float[2, 3] has it, rewarded as `RATES`."""
    rng = np.random.default_rng(seed)
    strata = rng.integers(2, size=num_rows)
    items = (rng.random(num_rows)[:, np.newaxis] > policy[strata].cumsum(axis=1)).sum(axis=1)
    rewards = (rng.random(num_rows) < RATES[strata, items]).astype(np.float64)
    feature = rng.integers(2, size=num_rows).astype(np.int32)
    return ChoiceLog(
        items.astype(np.int32),
        strata.astype(np.int32),
        rewards,
        policy[strata, items],
        ["a", "b", "c"],
        ["0", "1"],
        {"kind": (feature, ["x", "y"])},
    )


LOGGED = np.array([[0.6, 0.2, 0.2], [0.2, 0.5, 0.3]])
TARGET = np.array([[0.1, 0.8, 0.1], [0.9, 0.05, 0.05]])
VALUE = float((TARGET * RATES).sum(axis=1).mean())


def test_every_estimator_finds_the_value_of_a_policy_that_did_not_write_the_log() -> None:
    log = _log(20_000, LOGGED, seed=1)
    found = estimates(log, TARGET[log.strata], reward_rates(log, folds_of(len(log), 3, 0)), seed=0)
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(VALUE, abs=0.02), name
        # dm's interval knows nothing of its model's own error
        assert name == "dm" or estimate.low < VALUE < estimate.high, name
    assert on_policy(log, seed=0).value == pytest.approx(float((LOGGED * RATES).sum(axis=1).mean()), abs=0.01)


def test_estimates_by_hand() -> None:
    log = ChoiceLog(
        np.array([0, 1], np.int32), np.zeros(2, np.int32), np.array([1.0, 0.0]), np.array([0.5, 0.25]), ["a", "b"], [""], {}
    )  # fmt: skip
    target = np.array([[0.8, 0.2], [0.5, 0.5]])
    predicted = np.array([[0.5, 0.1], [0.5, 0.1]])
    found = estimates(log, target, predicted, seed=0)
    # weights 1.6 and 2
    assert found["ips"].value == pytest.approx(0.8)
    assert found["snips"].value == pytest.approx(1.6 / 3.6)
    assert found["dm"].value == pytest.approx((0.42 + 0.3) / 2)
    assert found["dr"].value == pytest.approx((0.42 + 1.6 * 0.5 + 0.3 + 2 * -0.1) / 2)
    assert effective_size(log, target) == pytest.approx(3.6**2 / (1.6**2 + 4))


def test_a_model_that_knows_the_rewards_narrows_the_doubly_robust_interval_and_a_wrong_one_does_not_bias_it() -> None:
    log = _log(5000, LOGGED, seed=2)
    target = TARGET[log.strata]
    right = estimates(log, target, RATES[log.strata], seed=0)
    wrong = estimates(log, target, np.full(target.shape, 0.9), seed=0)
    assert right["dr"].high - right["dr"].low < right["ips"].high - right["ips"].low
    assert wrong["dm"].value == pytest.approx(0.9)
    assert wrong["dr"].low < VALUE < wrong["dr"].high


def test_a_target_that_is_no_distribution_is_refused() -> None:
    log = _log(10, LOGGED, seed=0)
    with pytest.raises(ValueError, match="add up to 1"):
        estimates(log, np.full((10, 3), 0.5), np.zeros((10, 3)), seed=0)


def test_a_logs_shares_are_its_policy_by_stratum() -> None:
    log, other = _log(100, LOGGED, seed=0), _log(30_000, TARGET, seed=1)
    assert as_chosen_in(log, other) == pytest.approx(TARGET[log.strata], abs=0.02)
    assert greedy(np.array([[0.1, 0.9]]), 0.2)[0].tolist() == pytest.approx([0.1, 0.9])
    assert uniform(log).sum(axis=1) == pytest.approx(np.ones(100))


def test_a_rate_is_learned_from_other_folds_only() -> None:
    log = ChoiceLog(
        np.zeros(4, np.int32), np.zeros(4, np.int32), np.array([1.0, 1.0, 0.0, 0.0]), np.ones(4), ["a"], [""], {}
    )
    predicted = reward_rates(log, np.array([0, 0, 1, 1]))
    assert predicted[:, 0].tolist() == [0.0, 0.0, 1.0, 1.0]


def test_an_evaluation_has_the_known_value_of_the_other_log(tmp_path: Path) -> None:
    findings = evaluate_off_policy(_log(2000, LOGGED, 1), _log(2000, TARGET, 2), OffPolicyPlan())
    by_name: dict[str, dict[str, Any]] = {row.name: row.as_values() for row in findings.rows}
    other = by_name["as the other log"]
    assert other["known"] == pytest.approx(VALUE, abs=0.04)
    assert other["dr_freshet"] == pytest.approx(VALUE, abs=0.08)
    # what Freshet's model learned is better than chance
    (learned,) = (row for name, row in by_name.items() if name.startswith("freshet"))
    assert learned["snips"] > by_name["uniform"]["snips"]


def test_logs_are_read_under_the_same_numbers(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("item_id,click,propensity_score,position\n5,1,0.5,1\n6,0,0.5,2\n")
    second.write_text("item_id,click,propensity_score,position\n6,0,0.1,2\n")
    one, two = read_choices([first, second], ChoiceColumns(strata=("position",)))
    assert two.items.tolist() == [1]
    assert two.strata.tolist() == [one.strata[1]]
    assert one.stratum_ids == ["1", "2"]


def test_a_propensity_of_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("item_id,click,propensity_score\n5,1,0\n")
    with pytest.raises(InvalidDocument, match="propensity_score: must be above 0"):
        read_choices([path], ChoiceColumns())
