"""Results of an experiment over time, few points however long it runs; guardrails with where each arm stands; how it ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.webapp.client import DEFINITION
from webapp.accounts.models import Project
from webapp.experiments import interval_history
from webapp.experiments.guardrail_states import rail_states
from webapp.experiments.history_picture import history_picture
from webapp.experiments.interval_history import interval_note, interval_points
from webapp.experiments.models import Experiment, Guardrail, IntervalPoint
from webapp.experiments.picture import forest
from webapp.experiments.services import Design, Rail, experiment_promote, experiment_start, experiment_stop
from webapp.experiments.statistics import Estimate
from webapp.registry.services import model_publish
from webapp.serving.services import deployment_put

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def experiment(project: Project) -> Experiment:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    arms = [
        (deployment_put(project=project, name=name, retrieval=version, ranking=None), 5_000)
        for name in ("main", "next")
    ]
    design = Design(guardrails=[Rail("click_rate", Guardrail.Harm.DECREASE, 0.1, 200)])
    started = experiment_start(project=project, name="first", arms=arms, design=design, by="ana")
    Experiment.objects.filter(pk=started.pk).update(started_at=START)
    return Experiment.objects.get(pk=started.pk)


def results(low: float = -0.5, high: float = 0.5, num_users: int = 300) -> dict[str, Any]:
    difference = {"relative": (low + high) / 2, "relative_low": low, "relative_high": high}
    return {
        "control": "main",
        "arms": [
            {"name": "main", "num_users": num_users, "metrics": {"click_rate": {"value": 0.1, "difference": None}}},
            {
                "name": "next",
                "num_users": num_users,
                "metrics": {"click_rate": {"value": 0.1, "difference": difference}},
            },
        ],
    }


def test_it_keeps_few_points_and_its_beginning(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval_history, "MOST_POINTS", 10)
    kept = [
        interval_note(experiment=experiment, results=results(), now=START + timedelta(seconds=20 * turn))
        for turn in range(1, 400)
    ]
    points = interval_points(experiment=experiment)
    assert len(points) <= 11 and points[0].at == START + timedelta(seconds=20)
    assert kept.count(True) > len(points), "others were kept for a while"
    assert points[-1].at > START + timedelta(seconds=20 * 380)
    assert not interval_note(experiment=experiment, results=results(num_users=0), now=START + timedelta(days=9))


def test_it_draws_bands_of_the_arms_that_have_intervals(experiment: Experiment) -> None:
    one = IntervalPoint(experiment=experiment, at=START, results=results(-9.0, 9.0))
    two = IntervalPoint(experiment=experiment, at=START + timedelta(hours=1), results=results(-0.1, 0.3))
    drawn = history_picture([one, two], "click_rate")
    assert drawn is not None and drawn.summary == "next +10.0% (-10.0% to +30.0%)"
    assert drawn.is_cut, "the first interval is wider than what is drawn"
    assert drawn.table.rows[0][1:] == ["10", "-10.0 to 30.0"]
    assert history_picture([one], "click_rate") is None


def test_it_draws_every_arm_on_one_axis_with_zero() -> None:
    drawn = forest(results(0.2, 0.6), "click_rate")
    assert drawn is not None
    control, arm = drawn.rows
    assert (control.verdict, control.low) == ("the control", None)
    assert arm.verdict == "surely more" and drawn.zero < (arm.low or 0) < arm.dot
    assert [tick.text for tick in drawn.ticks] == ["0", "+20%", "+40%", "+60%"]
    assert forest(results(), "purchase_rate") is None


def test_it_says_of_every_guardrail_whether_it_waits_holds_or_is_broken(experiment: Experiment) -> None:
    def state(value: float, num: int) -> tuple[str, int]:
        found = {name: {"click_rate": Estimate(of, 1e-6, num, 500.0)} for name, of in (("main", 0.1), ("next", value))}
        (one,) = rail_states(experiment=experiment, found=found)
        return one["state"], one["num_users"]

    assert state(0.1, 150) == ("waiting", 150)
    assert state(0.1, 5_000) == ("holding", 5_000)
    assert state(0.02, 5_000) == ("broken", 5_000)
    assert rail_states(experiment=experiment, found={})[0]["state"] == "waiting"


def test_it_keeps_how_it_ended_and_by_whom(experiment: Experiment) -> None:
    experiment_stop(experiment=experiment, by="bea")
    experiment.refresh_from_db()
    assert experiment.stopped_why == {"how": "stopped", "by": "bea"}
    Experiment.objects.filter(pk=experiment.pk).update(is_running=True)
    experiment_promote(experiment=experiment, arm=experiment.arms.get(name="next"), by="cal")
    experiment.refresh_from_db()
    assert experiment.stopped_why == {"how": "promoted", "by": "cal", "arm": "next"}
