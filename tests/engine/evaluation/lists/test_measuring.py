"""Metrics of lists by hand, and recommenders on clicks whose structure is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.evaluation.lists.definitions import default_definition
from engine.evaluation.lists.evaluation import evaluate_lists
from engine.evaluation.lists.measuring import measure
from engine.evaluation.lists.plan import ListPlan, Metrics, Schedule
from engine.evaluation.lists.recommenders import CoOccurrence, Factorisation, MostPopular, Recommender, Scores
from engine.evaluation.lists.task import Clicks, Codes, ListTask, leave_last_out, task_of
from engine.evaluation.lists.trained import Trained
from engine.spec.architecture import ARCHITECTURES


def _two_camps(num_users: int = 60, num_items: int = 24, seed: int = 0) -> Clicks:
    """Even users click even items, odd users odd ones, in random order."""
    rng = np.random.default_rng(seed)
    users, items = [], []
    for user in range(num_users):
        own = rng.permutation(np.arange(user % 2, num_items, 2))[:8]
        users += [user] * own.size
        items += own.tolist()
    times = np.arange(len(users), dtype=np.int64) * 1000
    return Clicks(
        np.array(users, np.int32),
        np.array(items, np.int32),
        [f"u{user}" for user in range(num_users)],
        [f"i{item}" for item in range(num_items)],
        times,
    )


class _Fixed(Recommender):
    def __init__(self, scores: list[list[float]]) -> None:
        self._scores = np.array(scores, np.float32)

    def scores(self, users: Codes) -> Scores:
        return self._scores[users]


def _task(sought: list[tuple[int, int]], negatives: Codes | None = None) -> ListTask:
    train = Clicks(np.array([0, 1], np.int32), np.array([0, 0], np.int32), ["a", "b"], ["i0", "i1", "i2", "i3", "i4"])
    users, items = np.array(sought, np.int32).T
    return task_of(train, users, items, negatives)


def test_recall_and_ndcg_count_each_users_found_items_and_leave_training_items_out() -> None:
    # a seeks i2 and i4: of i1..i4 they stand at 0 and 3; b seeks i1, which stands at 1.
    task = _task([(0, 2), (0, 4), (1, 1)])
    scores = _Fixed([[9, 3, 5, 4, 1], [9, 3, 4, 2, 1]])
    values = measure(task, scores, Metrics(["hit_rate", "recall", "ndcg"], [2, 4]))
    assert values["recall_at_2"].tolist() == [0.5, 1.0]
    assert values["hit_rate_at_2"].tolist() == [1.0, 1.0]
    ideal = 1 + 1 / math.log2(3)
    assert values["ndcg_at_2"] == pytest.approx([1 / ideal, 1 / math.log2(3)])
    assert values["ndcg_at_4"] == pytest.approx([(1 + 1 / math.log2(5)) / ideal, 1 / math.log2(3)])


def test_given_negatives_are_all_that_an_item_is_compared_with() -> None:
    task = _task([(0, 2), (1, 1)], np.array([[1, 3], [2, 2]], np.int32))
    values = measure(task, _Fixed([[9, 3, 5, 4, 9], [9, 3, 4, 2, 9]]), Metrics(["hit_rate", "ndcg"], [1]))
    assert values["hit_rate_at_1"].tolist() == [1.0, 0.0]


def test_a_constant_score_finds_nothing_by_luck() -> None:
    task = _task([(0, 2), (1, 1)], np.array([[1, 3], [2, 3]], np.int32))
    values = measure(task, _Fixed([[1] * 5] * 2), Metrics(["hit_rate"], [1]))
    assert values["hit_rate_at_1"].tolist() == [0.0, 0.0]


def test_a_list_of_equal_scores_is_no_longer_than_k() -> None:
    task = _task([(0, item) for item in range(1, 5)])
    values = measure(task, _Fixed([[1] * 5] * 2), Metrics(["recall"], [3]))
    assert values["recall_at_3"].tolist() == [0.75]


def test_popularity_counts_within_its_window() -> None:
    clicks = Clicks(
        np.array([0, 1, 2, 0], np.int32),
        np.array([0, 0, 1, 2], np.int32),
        ["a", "b", "c"],
        ["i0", "i1", "i2"],
        np.array([0, 1, 7_300_000, 7_400_000], np.int64),
    )
    task = task_of(clicks, np.array([1], np.int32), np.array([1], np.int32))
    assert MostPopular(task).scores(np.array([0], np.int32)).tolist() == [[2, 1, 1]]
    assert MostPopular(task, 3_600_000).scores(np.array([0], np.int32)).tolist() == [[0, 1, 1]]


def test_co_occurrence_is_the_cosine_of_the_items_users() -> None:
    clicks = Clicks(
        np.array([0, 0, 1, 1, 2], np.int32),
        np.array([0, 1, 0, 1, 0], np.int32),
        ["a", "b", "c"],
        ["i0", "i1", "i2"],
    )
    task = task_of(clicks, np.array([2], np.int32), np.array([1], np.int32))
    scores = CoOccurrence(task).scores(np.array([2], np.int32))
    assert scores[0] == pytest.approx([0, 2 / math.sqrt(3 * 2), 0])


@pytest.mark.parametrize("kind", ["als", "bpr"])
def test_factorisations_tell_the_camps_apart(kind: str) -> None:
    task = leave_last_out(_two_camps(), None, seed=0)
    scores = Factorisation(task, kind, seed=0).scores(task.users)
    same = (np.arange(24)[np.newaxis, :] % 2) == (task.users % 2)[:, np.newaxis]
    assert (scores * same).sum() / same.sum() > (scores * ~same).sum() / (~same).sum()


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_kind_that_can_be_asked_for_has_a_definition(kind: str) -> None:
    assert default_definition(kind, 80_000, seed=3).architecture.kind == kind


@pytest.mark.parametrize("kind", ["two_tower", "deepfm", "logistic_regression"])
def test_freshets_models_tell_the_camps_apart(kind: str) -> None:
    task = leave_last_out(_two_camps(), 12, seed=0)
    learned: list[int] = []
    model = Trained(
        task, default_definition(kind, len(task.train), seed=3), Schedule(12, None), lambda num, _: learned.append(num)
    )
    assert sum(learned) == 12 * len(task.train)
    values = measure(task, model, Metrics(["hit_rate"], [5]))
    # of 13 candidates the user's camp holds about 4: the sought one, and items it did not click
    assert values["hit_rate_at_5"].mean() > 0.8


def test_training_stops_when_held_out_clicks_gain_nothing_and_keeps_the_best_epoch() -> None:
    task = leave_last_out(_two_camps(), None, seed=0)
    learned: list[int] = []
    model = Trained(
        task,
        default_definition("two_tower", len(task.train), seed=3),
        Schedule(60, 2),
        lambda num, _: learned.append(num),
    )
    num_epochs_run = sum(learned) / (len(task.train) - task.users.size)
    assert model.num_epochs <= num_epochs_run < 60


def test_a_table_has_every_contestant_with_intervals_and_names_what_is_missing() -> None:
    clicks = _two_camps()
    untimed = Clicks(clicks.users, clicks.items, clicks.user_ids, clicks.item_ids)
    plan = ListPlan(Metrics(["recall", "ndcg"], [5]), models=["two_tower"], seeds=[1, 2], schedule=Schedule(2, None))
    findings = evaluate_lists(leave_last_out(untimed, None, seed=0), plan)
    assert [row.name for row in findings.rows] == ["popular", "co-occurrence", "als", "bpr", "freshet two_tower"]
    assert set(findings.missing) == {"popular, last 24 h", "popular, last 1 h"}
    own = findings.rows[-1].as_values()
    assert {"recall_at_5", "recall_at_5_low", "recall_at_5_high", "recall_at_5_sd", "epochs"} <= set(own)
    assert findings.values["num_tested_users"] == 60
