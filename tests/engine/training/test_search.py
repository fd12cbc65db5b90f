from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import GivenUp, Interrupted, InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.spec.early_stopping import WatchedMetric
from engine.spec.search import SearchSettings, with_values
from engine.streams import topics
from engine.streams.memory import MemoryLog
from engine.training.batch import train_batch
from engine.training.epoch_plan import EpochPlan
from engine.training.judging import NUM_RUNGS, Judge
from engine.training.search import STARTUP_TRIALS, NextTrial, Outcome, OutcomeState
from engine.training.state import TrainingState
from tests.engine.training.made import FakeClock, append_examples, as_logged, make_definition, make_examples

SETTINGS = SearchSettings.parse(
    {
        "varies": [
            {"kind": "log_range", "path": "sparse_optimizer.learning_rate", "low": 0.001, "high": 1.0},
            {"kind": "range", "path": "architecture.num_negatives", "low": 1, "high": 8},
            {"kind": "choice", "path": "architecture.hidden", "values": [[64, 32], [16], []]},
        ],
        "num_trials": 30,
    }
)


def goodness(params: dict[str, Any]) -> float:
    """Best at a learning rate of 0.1 and the hidden units [16]."""
    distance = abs(np.log10(params["sparse_optimizer.learning_rate"]) + 1.0)
    return float(1.0 - 0.2 * distance - 0.3 * (params["architecture.hidden"] != [16]))


def searched(num: int, settings: SearchSettings = SETTINGS) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for _ in range(num):
        params = NextTrial(settings, outcomes).params
        outcomes.append(Outcome(params, OutcomeState.COMPLETE, goodness(params)))
    return outcomes


def test_trials_lie_in_their_ranges_and_come_nearer_to_the_best() -> None:
    outcomes = searched(30)
    for outcome in outcomes:
        assert 0.001 <= outcome.params["sparse_optimizer.learning_rate"] <= 1.0
        assert outcome.params["architecture.num_negatives"] in range(1, 9)
        assert outcome.params["architecture.hidden"] in ([64, 32], [16], [])
    values = [outcome.value or 0.0 for outcome in outcomes]
    assert np.mean(values[-10:]) > np.mean(values[:STARTUP_TRIALS]) + 0.1
    assert max(values) > 0.9


def test_a_search_that_was_interrupted_draws_what_it_would_have_drawn() -> None:
    whole = searched(8)
    # as stored and given back: nothing of the first process is left
    kept = [Outcome(dict(one.params), one.state, one.value) for one in whole[:5]]
    assert NextTrial(SETTINGS, kept).params == whole[5].params
    assert len({str(one.params) for one in whole}) == 8


def test_another_seed_draws_others() -> None:
    other = SETTINGS.model_copy(update={"seed": 18})
    assert NextTrial(SETTINGS, []).params != NextTrial(other, []).params


def test_a_trial_below_the_median_is_given_up_and_never_one_of_the_first() -> None:
    params = NextTrial(SETTINGS, []).params
    known = [Outcome(params, OutcomeState.COMPLETE, 0.7, {0: 0.6 + place / 100}) for place in range(STARTUP_TRIALS)]
    assert NextTrial(SETTINGS, known).should_give_up(0, 0.55)
    assert not NextTrial(SETTINGS, known).should_give_up(0, 0.75)
    assert not NextTrial(SETTINGS, known).should_give_up(0, None)
    assert not NextTrial(SETTINGS, known[:2]).should_give_up(0, 0.1)
    patient = SETTINGS.model_copy(update={"prunes": False})
    assert not NextTrial(patient, known).should_give_up(0, 0.1)


def test_a_loss_is_lowered() -> None:
    settings = SETTINGS.model_copy(update={"metric": WatchedMetric.LOG_LOSS})
    params = NextTrial(settings, []).params
    known = [Outcome(params, OutcomeState.COMPLETE, 0.7, {0: 0.6}) for _ in range(STARTUP_TRIALS)]
    assert NextTrial(settings, known).should_give_up(0, 0.65)
    assert not NextTrial(settings, known).should_give_up(0, 0.55)


def test_failed_and_valueless_trials_do_not_stop_a_search() -> None:
    params = NextTrial(SETTINGS, []).params
    known = [
        Outcome(params, OutcomeState.FAILED),
        Outcome(params, OutcomeState.COMPLETE, None),
        Outcome(params, OutcomeState.PRUNED, None, {0: 0.5}),
    ]
    assert NextTrial(SETTINGS, known).params.keys() == params.keys()


def test_values_go_to_their_places_and_nowhere_else() -> None:
    document = make_definition("deepfm").as_json()
    changed = with_values(document, {"slots.1.max_values": 3, "architecture.hidden": [8], "training.batch_size": 32})
    assert (changed["slots"][1]["max_values"], changed["architecture"]["hidden"]) == (3, [8])
    assert document == make_definition("deepfm").as_json()
    for path in ("slots.99.dim", "slots.x.dim", "architecture.nothing", "training.batch_size.more"):
        with pytest.raises(InvalidDocument, match="no place"):
            with_values(document, {path: 1})


@pytest.mark.parametrize(
    "varied",
    [
        {"kind": "range", "path": "a", "low": 1, "high": 1},
        {"kind": "log_range", "path": "a", "low": 0, "high": 1},
        {"kind": "choice", "path": "a", "values": []},
        {"kind": "choice", "path": "a..b", "values": [1]},
    ],
    ids=str,
)
def test_impossible_ranges_are_refused(varied: dict[str, Any]) -> None:
    with pytest.raises(InvalidDocument):
        SearchSettings.parse({"varies": [varied]})


NUM = 64 * 10


def judge(**more: Any) -> Judge:
    log = MemoryLog()
    append_examples(log, "p", make_examples(NUM, origin="impression"))
    plan = EpochPlan.begin({0: 0}, {0: NUM}, 0.1)
    given = {"should_stop": lambda: False, "on_rung": lambda rung, value: False, **more}
    definition = given.pop("definition", make_definition("deepfm"))
    return Judge(definition, log, topics.examples("p"), plan, clock=FakeClock(), **given)


def test_the_verdict_is_of_the_last_examples_scored_before_they_were_learned() -> None:
    rungs: list[int] = []

    def on_rung(rung: int, value: float | None) -> bool:
        rungs.append(rung)
        assert value is not None
        return False

    value = judge(on_rung=on_rung).value(WatchedMetric.AUC)
    state, examples = TrainingState(make_definition("deepfm")), make_examples(NUM, origin="impression")
    for start in range(0, NUM - 64, 64):
        state.learn(as_logged(examples[start : start + 64], start))
    state.metrics = state.metrics.emptied()
    state.learn(as_logged(examples[-64:], NUM - 64))
    assert value == state.metrics.values()["auc"]
    assert rungs == sorted(set(rungs)) and rungs[-1] <= NUM_RUNGS - 2 and len(rungs) >= NUM_RUNGS - 2


def test_it_is_given_up_or_interrupted_at_once() -> None:
    with pytest.raises(GivenUp):
        judge(on_rung=lambda rung, value: True).value(WatchedMetric.AUC)
    with pytest.raises(Interrupted):
        judge(should_stop=lambda: True).value(WatchedMetric.AUC)


PATIENT = {"batch_size": 64, "linger_s": 0.0, "early_stopping": {"fraction": 0.1, "patience": 1, "max_epochs": 4}}


def test_a_trial_is_the_best_epoch_that_its_early_stopping_finds(tmp_path: Path) -> None:
    """The same epochs and the same verdicts as those of a batch run of the definition."""
    definition = make_definition("deepfm", training=PATIENT | {"evaluate_fraction": 0.0})
    log = MemoryLog()
    append_examples(log, "p", make_examples(NUM, origin="impression"))
    run = train_batch(definition, log, "p", "m", 1, tmp_path, clock=FakeClock())
    rungs: list[tuple[int, float | None]] = []

    def on_rung(rung: int, value: float | None) -> bool:
        rungs.append((rung, value))
        return False

    own = judge(definition=definition, on_rung=on_rung)
    value = own.value(WatchedMetric.AUC)
    values = [epoch.values["auc"] for epoch in run.epochs]
    assert [epoch.values["auc"] for epoch in own.epochs] == values
    assert rungs == list(enumerate(values))
    assert value == next(epoch.values["auc"] for epoch in reversed(run.epochs) if epoch.is_best)


def test_a_trial_of_epochs_is_given_up_after_one() -> None:
    definition = make_definition("deepfm", training=PATIENT)
    trial = judge(definition=definition, on_rung=lambda rung, value: True)
    with pytest.raises(GivenUp, match="after 1 epochs"):
        trial.value(WatchedMetric.AUC)
    assert len(trial.epochs) == 1


def test_a_path_may_stand_for_every_slot_with_rows_of_its_own() -> None:
    document = make_definition("deepfm").as_json()
    rule = {"kind": "min_count", "min_count": 3}
    changed = with_values(document, {"slots.*.dim": 4, "slots.*.admission": rule})
    assert {slot["dim"] for slot in changed["slots"]} == {4}
    kinds = [slot["admission"]["kind"] for slot in changed["slots"]]
    assert kinds == ["min_count", "min_count", "always", "min_count", "min_count"]  # history shares the rows of item_id
    ModelDefinition.parse(changed)
    for path in ("slots.*", "training.*.seed", "slots.*.nothing"):
        with pytest.raises(InvalidDocument):
            with_values(document, {path: 4})


def test_choices_are_the_same_whatever_the_order_of_their_keys() -> None:
    settings = SearchSettings.parse({"varies": [{"kind": "choice", "path": "a", "values": [{"x": 1, "y": 2}, None]}]})
    assert NextTrial(settings, [Outcome({"a": {"y": 2, "x": 1}}, OutcomeState.COMPLETE, 0.5)]).params.keys() == {"a"}


def test_whole_numbers_are_as_the_range_says() -> None:
    wide = {"kind": "range", "path": "a", "low": 0, "high": 1}
    drawn = NextTrial(SearchSettings.parse({"varies": [wide | {"whole": False}]}), []).params["a"]
    assert isinstance(drawn, float) and 0 < drawn < 1
    assert NextTrial(SearchSettings.parse({"varies": [wide]}), []).params["a"] in (0, 1)
    with pytest.raises(InvalidDocument, match="whole numbers"):
        SearchSettings.parse({"varies": [wide | {"low": 0.5, "whole": True}]})
