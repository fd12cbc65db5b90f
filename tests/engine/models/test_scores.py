"""The score that items are ranked by, of several tasks' predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidDocument
from engine.features.columns import columns_from_examples
from engine.models.forward import Predictor
from engine.models.scores import LEAST, score_of
from engine.spec.definition import ModelDefinition, Side
from engine.spec.score import FirstTask, ProductScore, SumScore
from engine.training.state import TrainingState
from tests.engine.models.definitions import CLICK, definition_of
from tests.engine.training.made import make_examples

TASKS = [CLICK, {"kind": "regression", "name": "dwell", "event_type": "click", "property": "seconds"}]
PREDICTIONS = np.array([[0.5, 100.0], [0.1, 0.0], [0.9, -3.0]], np.float32)


def scored(score: dict[str, Any] | None) -> ModelDefinition:
    document = definition_of("mmoe", tasks=TASKS).as_json()
    return ModelDefinition.parse(document | ({} if score is None else {"score": score}))


def test_without_a_formula_the_first_task_is_the_score() -> None:
    assert scored(None).score == FirstTask()
    np.testing.assert_array_equal(score_of(FirstTask(), scored(None).tasks, PREDICTIONS), PREDICTIONS[:, 0])


def test_a_product_weighs_by_powers_and_takes_nothing_below_its_floor() -> None:
    score = ProductScore(weights={"dwell": 0.5, "click": 2.0})
    expected = [0.5**2 * 10, 0.1**2 * LEAST**0.5, 0.9**2 * LEAST**0.5]
    np.testing.assert_allclose(score_of(score, scored(None).tasks, PREDICTIONS), expected, rtol=1e-5)


def test_a_sum_weighs_by_factors_below_zero_too() -> None:
    score = SumScore(weights={"click": 10.0, "dwell": -0.1})
    np.testing.assert_allclose(score_of(score, scored(None).tasks, PREDICTIONS), [-5.0, 1.0, 9.3], rtol=1e-5)


def test_a_prediction_that_has_run_away_stays_a_finite_score() -> None:
    wild = np.array([[1.0, 1e26]], np.float32)
    for score in (ProductScore(weights={"dwell": 10.0}), SumScore(weights={"dwell": 1000.0})):
        assert np.isfinite(score_of(score, scored(None).tasks, wild)).all()


def test_what_ranks_and_what_is_measured_offline_is_the_formula() -> None:
    definition = scored({"kind": "product", "weights": {"click": 1, "dwell": 0.3}})
    state = TrainingState(definition)
    predictor = Predictor(definition, state.store, state.architecture)
    columns = columns_from_examples(make_examples(6), state.encoder.sources())
    user, items = (
        state.encoder.encode({name: columns[name] for name in state.encoder.sources(side)}, 6, side)
        for side in (Side.USER, Side.ITEM)
    )
    rows = np.arange(6, dtype=np.int32)
    predictions = predictor.pair_predictions(user, items, rows, rows)
    expected = predictions[:, 0] * np.maximum(predictions[:, 1], LEAST) ** 0.3
    np.testing.assert_allclose(predictor.pair_scores(user, items, rows, rows), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("score", "rule"),
    [
        ({"kind": "product", "weights": {"buy": 1.0}}, "score.weights must name tasks, of click, dwell; received buy"),
        ({"kind": "product", "weights": {}}, "at least 1 item"),
        ({"kind": "product", "weights": {"click": -1.0}}, "greater than 0"),
        ({"kind": "sum", "weights": {"click": float("nan")}}, "finite"),
        ({"kind": "first_task", "weights": {"click": 1.0}}, "Extra inputs"),
    ],
)
def test_a_formula_of_what_is_not_there_is_refused(score: dict[str, Any], rule: str) -> None:
    with pytest.raises(InvalidDocument, match=rule):
        scored(score)
