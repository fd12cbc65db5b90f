from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from engine.evaluation.auc import auc
from engine.evaluation.log_loss import log_loss
from engine.evaluation.stream_metrics import Scored, StreamMetrics
from engine.evaluation.task_metrics import TaskScores, key_of
from engine.spec.task import BinaryTask, RegressionTask, Task

CLICK, BUY = BinaryTask(), BinaryTask(name="buy", event_type="purchase")
ORDER = BinaryTask(name="order", event_type="save", loss="pairwise")
SECONDS = RegressionTask(name="seconds", property="dwell_s")


def of(scores: list[float], labels: list[float], users: list[int] | None = None) -> TaskScores:
    owners = np.array(users if users is not None else range(len(scores)), np.uint64)
    return TaskScores(np.array(scores, np.float32), np.array(labels, np.float32), owners)


def first(each: TaskScores) -> Scored:
    return Scored(each.scores, each.labels, each.users, np.zeros((each.scores.size, 2), np.uint8))


def test_each_task_has_the_metrics_of_its_own_scores() -> None:
    clicks = of([0.9, 0.2, 0.6], [1, 0, 1])
    buys = of([0.3, 0.4, 0.1, 0.2], [0, 1, 1, 0], [1, 1, 2, 2])
    metrics = StreamMetrics(tasks=[CLICK, BUY])
    metrics.note(0.5, first(clicks), {"click": clicks, "buy": buys})
    values = metrics.values()
    assert (values["auc"], values["tasks.click.auc"], values["tasks.buy.auc"]) == (1.0, 1.0, 0.5)
    assert values["tasks.buy.grouped_auc"] == 0.5  # 1 of one user's pairs, none of the other's
    assert values["tasks.buy.log_loss"] == log_loss(buys.scores, buys.labels)
    assert values["tasks.buy.calibration"] == pytest.approx(1.0 / 2)
    assert values["tasks.click.log_loss"] == values["log_loss"]


def test_errors_of_a_number_by_hand() -> None:
    seconds = of([10.0, 4.0, 0.0], [13.0, 0.0, 0.0])
    metrics = StreamMetrics(tasks=[CLICK, SECONDS])
    metrics.note(0.5, first(of([], [])), {"seconds": seconds})
    values = metrics.values()
    assert values["tasks.seconds.mae"] == pytest.approx(7 / 3)
    assert values["tasks.seconds.rmse"] == pytest.approx(np.sqrt(25 / 3))
    assert values["tasks.seconds.rmse_log"] == pytest.approx(np.sqrt((np.log(11 / 14) ** 2 + np.log(5) ** 2) / 3))
    assert values["tasks.seconds.calibration"] == pytest.approx(14 / 13)
    assert "tasks.seconds.auc" not in values


def test_scores_that_only_order_promise_nothing() -> None:
    scores = of([0.9, 0.2], [1, 0])
    metrics = StreamMetrics(tasks=[CLICK, ORDER])
    metrics.note(0.5, first(scores), {"order": scores})
    values = metrics.values()
    assert values["tasks.order.auc"] == 1.0
    assert {values[key_of("order", name)] for name in ("log_loss", "normalised_entropy", "calibration")} == {None}


def test_first_task_that_is_a_number_has_no_auc() -> None:
    seconds = of([10.0, 4.0], [13.0, 0.0])
    metrics = StreamMetrics(tasks=[SECONDS], are_probabilities=False)
    metrics.note(0.5, first(seconds), {"seconds": seconds})
    values = metrics.values()
    assert values["auc"] is values["calibration"] is None
    assert values["tasks.seconds.mae"] == 3.5
    assert metrics.slices()["users"]["known"]["auc"] is None


@pytest.mark.parametrize("tasks", [[], [CLICK], [ORDER]])
def test_one_task_is_told_once(tasks: list[Task]) -> None:
    assert not [name for name in StreamMetrics(tasks=tasks).values() if name.startswith("tasks.")]
    assert set(StreamMetrics(tasks=tasks).windows()) == {"scores", "rankings"}


def test_windows_of_the_tasks_survive_a_checkpoint_and_an_older_one_has_none() -> None:
    rng = np.random.default_rng(2)
    clicks, buys = (of(rng.random(50).tolist(), (rng.random(50) < 0.5).tolist()) for _ in range(2))
    metrics = StreamMetrics(tasks=[CLICK, BUY])
    metrics.note(0.5, first(clicks), {"click": clicks, "buy": buys})

    def restored(windows: dict[str, Any]) -> StreamMetrics:
        other = StreamMetrics(tasks=[CLICK, BUY])
        other.restore(orjson.loads(orjson.dumps(metrics.as_json())), windows)
        return other

    assert restored(metrics.windows()).values() == metrics.values()
    older = restored({name: metrics.windows()[name] for name in ("scores", "rankings")})
    assert older.values()["tasks.buy.auc"] is None
    assert older.values()["auc"] == auc(clicks.scores, clicks.labels)


def test_held_out_examples_begin_the_tasks_anew() -> None:
    buys = of([0.9, 0.2], [1, 0])
    metrics = StreamMetrics(tasks=[CLICK, BUY])
    metrics.note(0.5, first(buys), {"buy": buys})
    assert metrics.emptied(10).values()["tasks.buy.auc"] is None
