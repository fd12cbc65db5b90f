"""Several tasks in one model: what each learns from, and what it says afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from engine.evaluation.auc import auc
from engine.features.columns import columns_from_examples
from engine.features.encoded import FloatArray
from engine.models.forward import Predictor
from engine.spec.definition import ModelDefinition, Side
from engine.spec.example import Example
from engine.spec.task import BinaryTask, RegressionTask, Task
from engine.training.state import TrainingState
from engine.training.task_losses import task_losses
from engine.training.training_batch import RankingBatch
from tests.engine.models.definitions import CLICK, definition_of
from tests.engine.training.made import as_logged, make_example, make_examples

BUY = {"name": "buy", "event_type": "purchase"}
SECONDS = {"kind": "regression", "name": "seconds", "event_type": "click", "property": "dwell_s"}


def labelled(number: int, labels: dict[str, float], *, item: int | None = None, origin: str = "impression") -> Example:
    example = make_example(number, number % 4, number if item is None else item, origin=origin)
    example.labels.clear()
    example.labels.update(labels)
    return example


def ranking_batch(state: TrainingState, examples: list[Example], start: int = 0) -> RankingBatch:
    batch = state.builder.build(as_logged(examples, start), np.zeros(len(examples), np.uint32))
    assert isinstance(batch, RankingBatch)
    return batch


def overfitted(definition: ModelDefinition, examples: list[Example], num_steps: int = 150) -> TrainingState:
    state = TrainingState(definition)
    for step in range(num_steps):
        result = state.learn(as_logged(examples, step * len(examples)))
        assert result is not None and result.finite
    return state


def predicted(state: TrainingState, examples: list[Example]) -> FloatArray:
    predictor = Predictor(state.definition, state.store, state.architecture)
    columns = columns_from_examples(examples, state.encoder.sources())
    user, items = (
        state.encoder.encode({name: columns[name] for name in state.encoder.sources(side)}, len(examples), side)
        for side in (Side.USER, Side.ITEM)
    )
    rows = np.arange(len(examples), dtype=np.int32)
    found = predictor.pair_predictions(user, items, rows, rows)
    np.testing.assert_array_equal(predictor.pair_scores(user, items, rows, rows), found[:, 0])
    return found


def test_losses_add_up_by_row_and_task_weights_and_leave_out_what_is_unknown() -> None:
    tasks: list[Task] = [BinaryTask(weight=2.0), RegressionTask(name="seconds", property="dwell_s", weight=0.5)]
    logits = tf.Variable([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0]])
    extra = {
        "labels": tf.constant([[1.0, np.e - 1], [0.0, 9.0], [1.0, 0.0]]),
        "known": tf.constant([[True, True], [True, False], [False, True]]),
        "weights": tf.constant([1.0, 3.0, 1.0]),
        "sampling_rates": tf.constant([[0.5, 1.0], [1.0, 1.0], [1.0, 1.0]]),
        "ordered": {},
    }
    with tf.GradientTape() as tape:
        found = task_losses(tasks, logits, extra)
    clicks = np.log1p(0.5) + 3 * np.log1p(np.e)  # z - ln r is ln 2 for the first; e for the second, three times
    seconds = 0.0 + (3.0 - 0.5)  # ln(1 + label) is 1, as predicted; 0, far off: linear
    assert found.total.numpy() == pytest.approx(2.0 * clicks + 0.5 * seconds, rel=1e-6)
    assert found.mean.numpy() == pytest.approx(2.0 * clicks / 4 + 0.5 * seconds / 2, rel=1e-6)
    clicked, dwelled = found.scores.numpy().T
    np.testing.assert_allclose(clicked, [2 / 3, np.e / (1 + np.e), np.e**2 / (1 + np.e**2)], rtol=1e-6)
    np.testing.assert_allclose(dwelled, np.expm1([1.0, 0.0, 3.0]), rtol=1e-6)
    gradient = tape.gradient(found.total, logits).numpy()
    assert gradient[2, 0] == gradient[1, 1] == 0.0
    assert gradient[0, 0] < 0 < gradient[1, 0]


def test_a_task_without_a_label_learns_nothing_while_the_others_do() -> None:
    state = TrainingState(definition_of("mmoe", tasks=[CLICK, BUY]))
    before = state.architecture.dense_weights()
    for step in range(3):
        state.learn(as_logged([labelled(n, {"click": float(n % 2)}) for n in range(8)], 8 * step))
    after = state.architecture.dense_weights()
    of_buy = {name for name in before if name.startswith(("tower_1", "output_1", "gate_1"))}
    assert len(of_buy) == 6
    assert {name for name in before if np.array_equal(before[name], after[name])} == of_buy


def test_example_of_any_task_is_learned_from_and_one_of_none_is_not() -> None:
    state = TrainingState(definition_of("deepfm", tasks=[CLICK, BUY]))
    batch = ranking_batch(
        state, [labelled(0, {"share": 1.0}), labelled(1, {"purchase": 1.0}), labelled(2, {"click": 0.0})]
    )
    assert batch.kept.tolist() == [1, 2]
    assert batch.known.tolist() == [[False, True], [True, False]]


def test_drawn_negatives_say_no_only_to_the_tasks_that_asked_for_them() -> None:
    state = TrainingState(definition_of("deepfm", tasks=[CLICK, BUY], num_negatives=8))
    ranking_batch(state, [labelled(n, {"click": 1.0}, origin="action") for n in range(20)])
    batch = ranking_batch(state, [labelled(20, {"purchase": 1.0}, origin="action")], 20)
    assert batch.is_sampled.sum() > 4
    assert batch.known[batch.is_sampled].tolist() == [[False, True]] * int(batch.is_sampled.sum())
    assert (batch.labels[batch.is_sampled] == 0.0).all()
    # corrected for how often its item is drawn only where it asked
    assert batch.sampling_rates[0, 0] == 1.0 and batch.sampling_rates[0, 1] != 1.0


def test_scores_for_the_metrics_are_the_first_tasks_where_it_is_known() -> None:
    state = TrainingState(definition_of("deepfm", tasks=[CLICK, BUY]))
    examples = [
        labelled(0, {"click": 1.0}),
        labelled(1, {"purchase": 1.0}),
        labelled(2, {"click": 0.0, "purchase": 0.0}),
    ]
    result = state.step.learn(ranking_batch(state, examples))
    assert result.labels.tolist() == [1.0, 0.0]
    assert result.scores.shape == (2,)


def test_each_task_is_predicted_on_its_own_scale() -> None:
    rng = np.random.default_rng(4)
    seconds = np.round(rng.uniform(1, 300, 16), 1)
    examples = [
        labelled(n, {"click": 1.0, "click.dwell_s": float(seconds[n]), "purchase": float(n % 4 == 0)})
        if n % 2 == 0
        else labelled(n, {"click": 0.0, "purchase": 0.0})
        for n in range(16)
    ]
    found = predicted(overfitted(definition_of("ple", tasks=[CLICK, SECONDS, BUY]), examples), examples)
    assert found.shape == (16, 3)
    np.testing.assert_array_equal(found[:, 0] > 0.5, [n % 2 == 0 for n in range(16)])
    np.testing.assert_array_equal(found[:, 2] > 0.5, [n % 4 == 0 for n in range(16)])
    np.testing.assert_allclose(found[::2, 1], seconds[::2], rtol=0.2)


@pytest.mark.parametrize("loss", ["pairwise", "listwise"])
def test_losses_of_order_put_what_was_acted_on_above_what_was_not(loss: str) -> None:
    task: dict[str, Any] = {**CLICK, "loss": loss}
    examples = make_examples(48, origin="impression", seed=2)
    state = overfitted(definition_of("deepfm", tasks=[task]), examples, 60)
    scores = predicted(state, examples)[:, 0]
    labels = np.array([example.labels["click"] for example in examples], np.float32)
    for user in {example.user_id for example in examples}:
        own = np.array([example.user_id == user for example in examples])
        if 0 < labels[own].sum() < own.sum():
            assert auc(scores[own], labels[own]) == 1.0


def test_a_retrieval_model_predicts_no_tasks() -> None:
    state = TrainingState(definition_of("two_tower"))
    predictor = Predictor(state.definition, state.store, state.architecture)
    none = state.encoder.encode({}, 1, Side.USER)
    rows = np.zeros(1, np.int32)
    with pytest.raises(ValueError, match="a two_tower predicts no tasks"):
        predictor.pair_predictions(none, state.encoder.encode({}, 1, Side.ITEM), rows, rows)


def test_metrics_are_of_every_task_on_what_it_had_not_learned() -> None:
    definition = definition_of("deepfm", tasks=[CLICK, SECONDS, BUY])
    state = TrainingState(definition)
    examples = [
        labelled(n, {"click": float(n % 2), "purchase": float(n % 4 == 0)} | ({"click.dwell_s": 30.0} if n % 2 else {}))
        for n in range(32)
    ]
    state.learn(as_logged(examples))
    values = state.metrics.values()
    # before the first step every logit is about 0: even odds, and no seconds
    assert values["tasks.buy.log_loss"] == pytest.approx(np.log(2), abs=0.05)
    assert values["tasks.buy.calibration"] == pytest.approx(2.0, rel=0.4)  # about half promised, a quarter came
    assert values["tasks.seconds.mae"] == pytest.approx(30.0, abs=1.0)
    assert values["tasks.click.auc"] == values["auc"]


def test_metrics_of_every_task_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    definition = definition_of("deepfm", tasks=[CLICK, BUY])
    state = TrainingState(definition)
    state.learn(as_logged([labelled(n, {"click": float(n % 2), "purchase": float(n % 3 == 0)}) for n in range(24)]))
    state.save(tmp_path, 1)
    assert TrainingState.restore(definition, tmp_path).metrics.values() == state.metrics.values()
