"""Results by arm, and guardrails that stop an arm by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webapp.client import DEFINITION, Api
from webapp.accounts.models import Project
from webapp.experiments.guarding import guard
from webapp.experiments.models import ArmUserCount, Experiment
from webapp.experiments.results import results_due, results_update
from webapp.experiments.selectors import deployment_for
from webapp.experiments.services import Design, Rail, experiment_start, experiment_stop
from webapp.registry.services import model_publish
from webapp.serving.models import Deployment
from webapp.serving.services import deployment_put

SHOWN = 10


@pytest.fixture
def deployments(project: Project) -> list[Deployment]:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    return [deployment_put(project=project, name=name, retrieval=version, ranking=None) for name in ("old", "new")]


@pytest.fixture
def start(project: Project, deployments: list[Deployment]) -> Any:
    def begin(*rails: Rail) -> Experiment:
        arms = [(deployment, 5000) for deployment in deployments]
        return experiment_start(project=project, name="first", arms=arms, design=Design(guardrails=rails))

    return begin


def users(experiment: Experiment, arm: str, num: int, num_clicks: int) -> None:
    """`num` users who were shown ten items each; every second one acted on twice `num_clicks` of them, so half a click's worth each."""
    rows = []
    for user in range(num):
        rows.append(row(experiment, arm, user, "", SHOWN))
        if user % 2:
            rows.append(row(experiment, arm, user, "click", 2 * num_clicks))
    ArmUserCount.objects.bulk_create(rows)


def row(experiment: Experiment, arm: str, user: int, event_type: str, num: int) -> ArmUserCount:
    project = experiment.project
    return ArmUserCount(project=project, experiment=experiment.name, arm=arm, user=user, type=event_type, num=num)


def turn(experiment: Experiment) -> list[str]:
    fresh = next(one for one in results_due() if one.pk == experiment.pk)
    return [arm.name for arm in guard(experiment=fresh, found=results_update(experiment=fresh))]


def test_it_answers_metrics_by_arm_with_intervals_and_differences(api: Api, start: Any) -> None:
    experiment = start()
    users(experiment, "old", 1000, 2)
    users(experiment, "new", 1000, 1)
    assert turn(experiment) == []
    found = api.get("/experiments/first").json()
    old, new = found["results"]["arms"]
    assert (found["results"]["control"], old["num_users"], old["num_shown"]) == ("old", 1000, 10_000)
    rate = old["metrics"]["click_rate"]
    assert rate["value"] == 0.2
    assert rate["low"] < 0.2 < rate["high"]
    assert old["metrics"]["click_per_user"]["value"] == 2.0
    assert rate["difference"] is None
    less = new["metrics"]["click_rate"]["difference"]
    assert (less["value"], less["relative"]) == (pytest.approx(-0.1), pytest.approx(-0.5))
    assert less["low"] < -0.1 < less["high"] < 0
    assert less["relative_high"] == pytest.approx(less["high"] / 0.2)
    # the same by hand: each arm's z is ±rate, so its standard error is rate / sqrt(999); n = 2000
    scaled = 2000 * (5.99146 + 1.94469) / 5000
    half = (2 * (scaled + 1) / scaled * (0.5 * 1.42851 + 2.99573)) ** 0.5 * ((0.2**2 + 0.1**2) / 999) ** 0.5
    assert less["high"] - less["value"] == pytest.approx(half, rel=1e-4)


def test_it_gives_no_interval_to_a_few_users(api: Api, start: Any) -> None:
    experiment = start(Rail("click_rate", min_users=10))
    users(experiment, "old", 60, 4)
    users(experiment, "new", 60, 1)
    assert turn(experiment) == []
    metrics = api.get("/experiments/first").json()["results"]["arms"][1]["metrics"]["click_rate"]
    assert (metrics["value"], metrics["low"], metrics["difference"]["high"]) == (0.1, None, None)


def test_it_stops_an_arm_that_is_surely_worse_and_says_why(api: Api, project: Project, start: Any) -> None:
    experiment = start(Rail("click_rate", tolerance=0.1))
    users(experiment, "old", 1000, 2)
    users(experiment, "new", 1000, 1)
    assert turn(experiment) == ["new"]
    (_, arm) = api.get("/experiments/first").json()["arms"]
    why = arm["stopped_why"]
    assert (why["by"], why["metric"], why["tolerance"]) == ("guardrail", "click_rate", 0.1)
    assert (why["arm_value"], why["control_value"], why["arm_users"]) == (0.1, 0.2, 1000)
    assert why["high"] < 0
    chosen = [deployment_for(project=project, user_id=f"user-{number}") for number in range(100)]
    assert {one.deployment.name for one in chosen} == {"old"}
    assert {one.arm for one in chosen} == {"old", None}


@pytest.mark.parametrize(
    ("rail", "stops"),
    [
        (Rail("click_rate"), True),
        (Rail("click_rate", tolerance=0.6), False),  # half as good is allowed
        (Rail("click_rate", min_users=1001), False),
        (Rail("click_rate", "increase"), False),  # less is no harm
        (Rail("click_per_user"), True),
        (Rail("purchase_rate"), False),
    ],
)
def test_it_acts_within_tolerance_direction_and_minimum_data(start: Any, rail: Rail, stops: bool) -> None:
    experiment = start(rail)
    users(experiment, "old", 1000, 2)
    users(experiment, "new", 1000, 1)
    assert turn(experiment) == (["new"] if stops else [])


def test_it_lets_the_control_and_a_stopped_experiment_be(start: Any) -> None:
    experiment = start(Rail("click_rate"))
    users(experiment, "old", 1000, 1)
    users(experiment, "new", 1000, 2)
    assert turn(experiment) == []
    Experiment.objects.update(results_at=None)
    ArmUserCount.objects.all().delete()
    users(experiment, "old", 1000, 2)
    users(experiment, "new", 1000, 1)
    experiment_stop(experiment=experiment)
    assert turn(experiment) == []


def test_it_makes_results_anew_only_after_a_while(start: Any) -> None:
    experiment = start()
    assert [one.pk for one in results_due()] == [experiment.pk]
    turn(experiment)
    assert results_due() == []
