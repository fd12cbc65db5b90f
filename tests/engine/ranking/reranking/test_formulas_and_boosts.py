from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidDocument
from engine.ranking.reranking.boosts import boosted, demoted
from engine.ranking.reranking.formulas import calibrated, check_formula, formula_scores
from engine.ranking.reranking.pool import Pool
from engine.spec.deployment import Boost, Calibration, DeploymentDocument, Seen, SeenPolicy
from engine.spec.score import SumScore
from engine.spec.task import BinaryTask, RegressionTask

CLICK = BinaryTask(name="click", event_type="click")
BUY = BinaryTask(name="buy", event_type="buy")
DWELL = RegressionTask(name="dwell", event_type="watch", property="seconds")


def document(**parts: Any) -> DeploymentDocument:
    return DeploymentDocument.model_validate(parts)


@pytest.fixture
def pool() -> Pool:
    """Three candidates; the model's own score is click + buy."""
    by_task = np.array([[0.2, 0.5], [0.4, 0.1], [0.1, 0.9]], np.float32)
    return Pool(
        np.arange(3, dtype=np.int32),
        by_task.sum(axis=1),
        by_task=by_task,
        tasks=(CLICK, BUY),
        model_score=SumScore(weights={"click": 1, "buy": 1}),
    )


def test_models_own_score_stays_where_the_document_says_nothing(pool: Pool) -> None:
    assert formula_scores(document(), pool) is pool.scores


def test_product_of_powers_and_weighted_sum(pool: Pool) -> None:
    product = document(score={"kind": "product", "weights": {"click": 1, "buy": 0.5}})
    assert formula_scores(product, pool) == pytest.approx([0.2 * 0.5**0.5, 0.4 * 0.1**0.5, 0.1 * 0.9**0.5])
    total = document(score={"kind": "sum", "weights": {"click": 10, "buy": -1}})
    assert formula_scores(total, pool) == pytest.approx([1.5, 3.9, 0.1])


def test_calibration_moves_the_logit_of_its_task_and_no_other() -> None:
    predictions = np.array([[0.5, 0.3], [0.2, 0.3]], np.float32)
    found = calibrated(predictions, (CLICK, BUY), {"click": Calibration(slope=2.0, intercept=1.0)})
    expected = [1 / (1 + math.exp(-1.0)), 1 / (1 + math.exp(-(2 * math.log(0.2 / 0.8) + 1.0)))]
    assert found[:, 0] == pytest.approx(expected)
    assert found[:, 1].tolist() == predictions[:, 1].tolist()
    assert predictions[0, 0] == 0.5


def test_certain_predictions_stay_chances_when_calibrated() -> None:
    predictions = np.array([[0.0], [1.0]], np.float32)
    found = calibrated(predictions, (CLICK,), {"click": Calibration(slope=100.0, intercept=0.0)})
    assert found[:, 0].tolist() == pytest.approx([0.0, 1.0])


def test_models_own_formula_takes_calibrated_predictions(pool: Pool) -> None:
    found = formula_scores(document(calibration={"click": {"intercept": 1.0}}), pool)
    lifted = [1 / (1 + math.exp(-(math.log(p / (1 - p)) + 1.0))) for p in (0.2, 0.4, 0.1)]
    assert found == pytest.approx([one + buy for one, buy in zip(lifted, (0.5, 0.1, 0.9), strict=True)])


def test_formula_is_passed_over_where_no_ranking_model_answered() -> None:
    pool = Pool(np.arange(2, dtype=np.int32), np.array([1.0, 2.0], np.float32))
    assert formula_scores(document(score={"kind": "sum", "weights": {"click": -1}}), pool) is pool.scores


def test_formula_of_tasks_that_the_model_has_not_is_refused_by_name() -> None:
    asked = document(score={"kind": "sum", "weights": {"click": 1, "like": 1}}, calibration={"dwell": {}, "share": {}})
    with pytest.raises(InvalidDocument) as caught:
        check_formula(asked, (CLICK, DWELL))
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["score.weights.like", "calibration.dwell", "calibration.share"]


def test_boosts_come_one_after_the_other_and_raise_negative_scores_too() -> None:
    scores = np.array([1.0, -1.0, 2.0, 0.0], np.float32)
    first, second = np.array([1, 1, 0, 0], np.bool_), np.array([1, 0, 0, 1], np.bool_)
    rules = [Boost(when="item.a", multiply=4.0), Boost(when="item.b", add=0.5)]
    assert boosted(scores, [first, second], rules).tolist() == [4.5, -0.25, 2.0, 0.5]
    assert scores.tolist() == [1.0, -1.0, 2.0, 0.0]


def test_boosts_out_of_range_stay_finite() -> None:
    rules = [Boost(when="item.a", multiply=1000.0)] * 50
    found = boosted(np.array([1e30, -1.0], np.float32), [np.ones(2, np.bool_)] * 50, rules)
    assert np.isfinite(found).all()


def test_seen_items_fall_under_demote_alone() -> None:
    scores, seen = np.array([1.0, -1.0, 3.0], np.float32), np.array([1, 1, 0], np.bool_)
    demote = Seen(policy=SeenPolicy.DEMOTE, demote_to=0.25)
    assert demoted(scores, seen, demote).tolist() == [0.25, -4.0, 3.0]
    assert demoted(scores, seen, Seen(policy=SeenPolicy.KEEP)) is scores
    assert np.isfinite(demoted(scores, seen, Seen(policy=SeenPolicy.DEMOTE, demote_to=0.0))).all()
