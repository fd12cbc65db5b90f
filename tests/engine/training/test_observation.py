from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from engine.embedding.hashing import hash_ids
from engine.evaluation.slices import NEW_ITEM_POSITIVES
from engine.training.observation import observe, scored
from engine.training.state import TrainingState
from engine.training.train_step import StepResult
from engine.training.training_batch import RankingBatch
from tests.engine.training.made import as_logged, make_definition, make_example, make_examples, with_rules


def users_of(names: list[str]) -> list[int]:
    hashes: list[int] = hash_ids(pa.array(names, pa.string()), 0).tolist()
    return hashes


@pytest.mark.parametrize("kind", ["two_tower", "deepfm"])
def test_every_score_belongs_to_the_user_it_was_given_for(kind: str) -> None:
    state = TrainingState(make_definition(kind))
    state.learn(as_logged(make_examples(64)))
    examples = make_examples(64, seed=1)
    # one that carries no label of the task: it is not learned, and has no score
    examples[3] = replace(examples[3], labels={"purchase": 1.0})
    logged = as_logged(examples, 64)
    observed = observe(state, examples)
    batch = state.builder.build(logged, np.zeros(64, np.uint32))
    assert batch is not None
    result = state.step.learn(batch)
    told = scored(batch, result, observed)
    assert told.scores.size == told.labels.size == told.users.size == len(told.codes)
    positives = [user for user, label in zip(told.users.tolist(), told.labels, strict=True) if label > 0.5]
    assert positives == users_of([each.user_id for number, each in enumerate(examples) if number != 3])
    assert set(told.users.tolist()) == set(positives)
    np.testing.assert_array_equal(np.sort(told.scores), np.sort(result.scores))


def test_a_drawn_negative_follows_the_example_it_was_drawn_for() -> None:
    state = TrainingState(make_definition("deepfm", num_negatives=2))
    state.learn(as_logged(make_examples(64)))
    examples = make_examples(8, seed=1)
    observed = observe(state, examples)
    batch = state.builder.build(as_logged(examples, 64), np.zeros(8, np.uint32))
    assert isinstance(batch, RankingBatch)
    # a score that says which user row and label it is
    own = (np.where(batch.labels[:, 0] > 0.5, 0.5, 0.25) + batch.user_rows / 100).astype(np.float32)
    told = scored(batch, StepResult(0.1, own, batch.labels[:, 0], True), observed)
    rows = np.round((told.scores - np.where(told.labels > 0.5, 0.5, 0.25)) * 100).astype(int)
    assert rows.tolist() == sorted(rows.tolist())
    assert told.users.tolist() == users_of([examples[row].user_id for row in rows])


def test_an_item_is_new_until_enough_of_its_positives_were_learned() -> None:
    state = TrainingState(make_definition("deepfm"))
    num = NEW_ITEM_POSITIVES
    state.learn(as_logged([make_example(number, number, 7) for number in range(num - 1)]))
    slices = state.metrics.slicer.values["items"]
    known = make_example(num, 1, 7)
    assert slices[observe(state, [known]).codes[0, 1]] == "new"
    state.learn(as_logged([known], num - 1))
    assert slices[observe(state, [known]).codes[0, 1]] == "known"
    assert slices[observe(state, [make_example(num, 1, 8)]).codes[0, 1]] == "new"


@pytest.mark.parametrize(("loss", "are_probabilities"), [("bce", True), ("pairwise", False), ("listwise", False)])
def test_scores_trained_for_nothing_but_order_are_no_probabilities(loss: str, are_probabilities: bool) -> None:
    task = {"name": "click", "event_type": "click", "loss": loss}
    state = TrainingState(with_rules(make_definition("deepfm"), {}, tasks=[task]))
    state.learn(as_logged(make_examples(64, origin="impression")))
    values = state.metrics.values()
    assert values["auc"] is not None
    assert (values["calibration"] is not None) is are_probabilities
