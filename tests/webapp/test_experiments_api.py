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
    answering = [deployment_for(project=project, user_id=f"user-{n}").name for n in range(2000)]
    return answering.count("new") / len(answering)


def test_it_splits_traffic_until_it_is_stopped(api: Api, project: Project) -> None:
    assert share_of_new(project) == 0
    started = api.post("/experiments", {"name": "first", "arms": ARMS})
    assert started.status_code == 201
    assert (started.json()["arms"], started.json()["is_running"]) == (ARMS, True)
    assert api.get("/experiments/first").json() == started.json()
    assert api.get("/experiments").json() == {"experiments": [started.json()]}
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
