"""Experiments over the API: started with their arms, one at a time, and stopped."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webapp.client import DEFINITION, Api
from webapp.accounts.models import Project
from webapp.experiments.selectors import deployment_for
from webapp.registry.services import model_publish
from webapp.serving.services import deployment_put

ARMS = [{"deployment": "old", "share": 7500}, {"deployment": "new", "share": 2500}]


@pytest.fixture(autouse=True)
def _deployments(project: Project) -> None:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    for name in ("old", "new"):
        deployment_put(project=project, name=name, retrieval=version, ranking=None)


def share_of_new(project: Project) -> float:
    answering = [deployment_for(project=project, user_id=f"user-{n}").deployment.name for n in range(2000)]
    return answering.count("new") / len(answering)


def shares_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"deployment": arm["deployment"], "share": arm["share"]} for arm in body["arms"]]


def test_it_splits_traffic_until_it_is_stopped(api: Api, project: Project) -> None:
    assert share_of_new(project) == 0
    started = api.post("/experiments", {"name": "first", "arms": ARMS})
    assert started.status_code == 201
    assert (shares_of(started.json()), started.json()["is_running"]) == (ARMS, True)
    assert api.get("/experiments/first").json() == started.json()
    assert [one["name"] for one in api.get("/experiments").json()["experiments"]] == ["first"]
    # 2,000 draws of probability 0.25 have a standard deviation of 0.0097
    assert abs(share_of_new(project) - 0.25) < 0.05

    stopped = api.post("/experiments/first", {"action": "stop"})
    assert (stopped.status_code, stopped.json()["is_running"]) == (200, False)
    assert stopped.json()["stopped_at"] is not None
    assert api.post("/experiments/first", {"action": "stop"}).json() == stopped.json()
    assert share_of_new(project) == 0


def test_it_runs_one_at_a_time_and_uses_a_name_once(api: Api) -> None:
    assert api.post("/experiments", {"name": "first", "arms": ARMS}).status_code == 201
    second = api.post("/experiments", {"name": "second", "arms": ARMS})
    assert (second.status_code, second.json()["code"]) == (409, "conflict")
    api.post("/experiments/first", {"action": "stop"})
    again = api.post("/experiments", {"name": "first", "arms": ARMS})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "first", "arms": ARMS[:1]}, 400, "arms"),
        ({"name": "first", "arms": [ARMS[0], ARMS[0]]}, 400, "arms"),
        ({"name": "first", "arms": [ARMS[0], {"deployment": "new", "share": 2499}]}, 400, "arms"),
        ({"name": "first", "arms": [ARMS[0], {"deployment": "new", "share": 0}]}, 400, "arms.1.share"),
        ({"name": "first", "arms": "all"}, 400, "arms"),
        ({"name": "No Name", "arms": ARMS}, 400, "name"),
        ({"name": "first", "arms": ARMS, "salt": "x"}, 400, "salt"),
        ({"name": "first", "arms": [ARMS[0], {"deployment": "nowhere", "share": 2500}]}, 404, None),
    ],
)
def test_it_names_what_is_wrong_with_a_split(api: Api, body: dict[str, Any], status: int, field: str | None) -> None:
    answer = api.post("/experiments", body)
    assert answer.status_code == status
    if field:
        assert answer.json()["extra"]["problems"][0]["field"] == field
    assert api.get("/experiments").json() == {"experiments": []}


def test_it_knows_no_experiment_that_never_was(api: Api) -> None:
    assert api.get("/experiments/first").status_code == 404
    assert api.post("/experiments/first", {"action": "stop"}).status_code == 404


def test_it_holds_users_out_of_personalisation_and_compares_with_the_control_named(api: Api, project: Project) -> None:
    body = {
        "name": "first",
        "arms": [{"deployment": "new", "share": 9000}],
        "holdout": {"share": 1000},
        "control": "holdout",
    }
    started = api.post("/experiments", body)
    assert started.status_code == 201, started.json()
    assert [(arm["name"], arm["kind"], arm["is_control"]) for arm in started.json()["arms"]] == [
        ("new", "traffic", False),
        ("holdout", "holdout", True),
    ]
    chosen = [deployment_for(project=project, user_id=f"user-{n}") for n in range(2000)]
    held = [one for one in chosen if one.arm == "holdout"]
    # 2,000 draws of probability 0.1 have a standard deviation of 0.0067
    assert abs(len(held) / 2000 - 0.1) < 0.035
    assert {(one.deployment.name, one.experiment, one.revision) for one in held} == {("holdout", "first", 1)}
    made = api.get("/deployments/holdout").json()
    assert (made["retrieval"], made["ranking"]) == (None, None)
    assert {one["kind"] for one in made["document"]["retrieval"]["sources"]} == {
        "trending_24h", "trending_1h", "latest", "random",
    }  # fmt: skip


def test_it_asks_shadows_beside_whatever_answers(api: Api, project: Project) -> None:
    body = {
        "name": "first",
        "arms": [{"deployment": "old", "share": 10_000}],
        "shadows": [{"deployment": "new", "share": 2500}],
    }
    assert api.post("/experiments", body).status_code == 201
    drawn = iter([0.2499, 0.25])
    first, second = (deployment_for(project=project, user_id="u", draw=lambda: next(drawn)) for _ in range(2))
    assert [one.deployment.name for one in first.shadows] == ["new"]
    assert second.shadows == ()
    assert (first.deployment.name, first.arm) == ("old", "old")
    assert deployment_for(project=project, user_id="u", name="old", draw=lambda: 0.0).shadows == ()


def test_it_gives_a_stopped_arm_to_the_control_and_counts_its_users_for_nobody(api: Api, project: Project) -> None:
    api.post("/experiments", {"name": "first", "arms": ARMS})
    users = [f"user-{n}" for n in range(200)]
    arms = {user: deployment_for(project=project, user_id=user).arm for user in users}
    stopped = api.post("/experiments/first", {"action": "stop_arm", "arm": "new"}).json()
    assert [arm["stopped_why"] for arm in stopped["arms"]] == [{}, {"by": "API key test"}]
    after = {user: deployment_for(project=project, user_id=user) for user in users}
    assert {one.deployment.name for one in after.values()} == {"old"}
    assert {one.arm for user, one in after.items() if arms[user] == "new"} == {None}
    assert {one.arm for user, one in after.items() if arms[user] == "old"} == {"old"}
    assert api.post("/experiments/first", {"action": "stop_arm", "arm": "old"}).status_code == 409
    assert api.post("/experiments/first", {"action": "stop_arm", "arm": "none"}).status_code == 404
    assert api.post("/experiments/first", {"action": "stop_arm"}).status_code == 400


def test_it_promotes_an_arm_and_takes_that_back_in_one_step_each(api: Api, project: Project) -> None:
    api.post("/experiments", {"name": "first", "arms": ARMS})
    assert api.post("/experiments/first", {"action": "roll_back"}).status_code == 409
    promoted = api.post("/experiments/first", {"action": "promote", "arm": "new"}).json()
    assert (promoted["promoted"], promoted["is_running"]) == ("new", False)
    assert share_of_new(project) == 1
    assert api.post("/experiments/first", {"action": "roll_back"}).json()["rolled_back_at"] is not None
    assert share_of_new(project) == 0
    assert api.post("/experiments/first", {"action": "roll_back"}).status_code == 409


def test_it_keeps_nobody_out_of_experiments(api: Api, project: Project) -> None:
    api.post("/experiments", {"name": "first", "arms": ARMS})
    chosen = deployment_for(project=project, user_id="")
    assert (chosen.deployment.name, chosen.experiment, chosen.arm) == ("old", None, None)


def test_it_keeps_what_an_arm_was_when_its_deployment_goes(api: Api) -> None:
    api.post("/experiments", {"name": "first", "arms": ARMS})
    api.post("/experiments/first", {"action": "stop"})
    assert api.delete("/deployments/new").status_code == 204
    arms = api.get("/experiments/first").json()["arms"]
    assert [(arm["name"], arm["deployment"]) for arm in arms] == [("old", "old"), ("new", None)]
    assert api.post("/experiments/first", {"action": "promote", "arm": "new"}).status_code == 409


@pytest.mark.parametrize(
    ("rest", "field"),
    [
        ({"metric": "sales"}, "metric"),
        ({"control": "newer"}, "control"),
        ({"alpha": 0}, "alpha"),
        ({"guardrails": [{"metric": "click_rate"}, {"metric": "sneeze_rate"}]}, "guardrails.1.metric"),
        ({"guardrails": [{"metric": "click_rate", "harm": "boredom"}]}, "guardrails.0.harm"),
        ({"guardrails": [{"metric": "click_rate"}, {"metric": "click_rate"}]}, "guardrails"),
        ({"shadows": [{"deployment": "new"}]}, "arms"),
        ({"holdout": {"share": 0}}, "holdout.share"),
    ],
)
def test_it_names_what_is_wrong_with_the_rest(api: Api, rest: dict[str, Any], field: str) -> None:
    answer = api.post("/experiments", {"name": "first", "arms": ARMS, **rest})
    assert answer.status_code == 400, answer.json()
    assert answer.json()["extra"]["problems"][0]["field"] == field
