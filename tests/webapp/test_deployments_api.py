"""Deployments, what replicas report, and the sync status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from engine.serving.requests import DeploymentStatus, ModelStatus, StatusReply
from tests.webapp.client import DEFINITION, RANKING_DEFINITION, Api
from tests.webapp.replica_server import Answers, served
from webapp.accounts.models import Project
from webapp.core.errors import Conflict, Invalid
from webapp.experiments.services import experiment_start, experiment_stop
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish
from webapp.serving.models import Deployment, Replica, ReplicaPosition
from webapp.serving.services import deployment_put, replica_report
from webapp.training.services import publish_record

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOWHERE = "127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def version(project: Project) -> ModelVersion:
    return model_publish(project=project, name="retrieval", document=DEFINITION)


@pytest.fixture
def ranking(project: Project) -> ModelVersion:
    return model_publish(project=project, name="ranking", document=RANKING_DEFINITION)


@pytest.fixture
def main(project: Project, version: ModelVersion) -> Deployment:
    return deployment_put(project=project, name="main", retrieval=version, ranking=None)


def put(api: Api, name: str, **body: Any) -> Any:
    return api.put(f"/deployments/{name}", body)


def test_it_makes_the_first_deployment_the_default(api: Api, version: ModelVersion, ranking: ModelVersion) -> None:
    first = put(api, "main", retrieval={"name": "retrieval"}).json()
    second = put(api, "ranked", retrieval={"name": "retrieval", "version": 1}, ranking={"name": "ranking"}).json()
    assert (first["is_default"], second["is_default"]) == (True, False)
    assert (second["retrieval"], second["ranking"]) == (
        {"name": "retrieval", "version": 1},
        {"name": "ranking", "version": 1},
    )
    assert [one["name"] for one in api.get("/deployments").json()["deployments"]] == ["main", "ranked"]


def test_it_moves_the_default(api: Api, main: Deployment) -> None:
    assert put(api, "next", retrieval={"name": "retrieval"}, is_default=True).json()["is_default"]
    assert not api.get("/deployments/main").json()["is_default"]
    answer = put(api, "next", retrieval={"name": "retrieval"}, is_default=False)
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"retrieval": {"name": "ranking"}}, 400),
        ({"ranking": {"name": "retrieval"}}, 400),
        ({"retrieval": {"name": "nil"}}, 404),
        ({"retrieval": {"name": "retrieval", "version": 9}}, 404),
        ({"retrieval": "retrieval"}, 400),
    ],
)
def test_it_refuses_what_cannot_answer(
    api: Api, version: ModelVersion, ranking: ModelVersion, body: dict[str, Any], status: int
) -> None:
    assert put(api, "main", **body).status_code == status
    assert api.get("/deployments/main").status_code == 404


def test_it_keeps_a_default_as_long_as_there_are_others(api: Api, main: Deployment) -> None:
    put(api, "next", retrieval={"name": "retrieval"})
    assert api.delete("/deployments/main").status_code == 409
    assert api.delete("/deployments/next").status_code == 204
    assert api.delete("/deployments/main").status_code == 204
    assert api.delete("/deployments/main").status_code == 404


def test_it_keeps_the_arms_of_a_running_experiment(project: Project, api: Api, main: Deployment) -> None:
    other = deployment_put(project=project, name="next", retrieval=main.retrieval, ranking=None)
    experiment = experiment_start(project=project, name="first", arms=[(main, 9000), (other, 1000)])
    assert api.delete("/deployments/next").status_code == 409
    with pytest.raises(Conflict):
        experiment_start(project=project, name="second", arms=[(main, 5000), (other, 5000)])
    experiment_stop(experiment=experiment)
    with pytest.raises(Conflict):
        experiment_start(project=project, name="first", arms=[(main, 5000), (other, 5000)])
    assert api.delete("/deployments/next").status_code == 204


def test_it_rolls_back_in_one_step_and_forward_again(
    project: Project, api: Api, main: Deployment, ranking: ModelVersion
) -> None:
    assert api.post("/deployments/main/rollback", {}).status_code == 409
    put(api, "main", retrieval={"name": "retrieval"}, ranking={"name": "ranking"})
    put(api, "main", retrieval={"name": "retrieval"}, ranking={"name": "ranking"})  # no change, nothing to go back from
    back = api.post("/deployments/main/rollback", {})
    assert back.status_code == 200
    assert (back.json()["ranking"], back.json()["previous_ranking"]) == (None, {"name": "ranking", "version": 1})
    assert back.json()["is_default"]
    assert api.post("/deployments/main/rollback", {}).json()["ranking"] == {"name": "ranking", "version": 1}
    assert api.post("/deployments/nowhere/rollback", {}).status_code == 404


def test_it_refuses_arms_that_do_not_share_all_traffic(project: Project, main: Deployment) -> None:
    other = deployment_put(project=project, name="next", retrieval=main.retrieval, ranking=None)
    for arms in (
        [(main, 10_000)],
        [(main, 5000), (other, 4000)],
        [(main, 5000), (main, 5000)],
        [(main, 0), (other, 10_000)],
    ):
        with pytest.raises(Invalid):
            experiment_start(project=project, name="split", arms=arms)


def test_it_keeps_what_a_replica_last_reported_and_drops_what_it_no_longer_serves(
    project: Project, main: Deployment, version: ModelVersion
) -> None:
    position = {"deployment_id": main.pk, "model_version_id": version.pk, "sequence": 3, "last_error": None}
    gone = {"deployment_id": main.pk + 1000, "model_version_id": version.pk, "sequence": 9}
    started = timezone.now()
    for sequence in (3, 4):
        replica_report(
            name="r1", address=NOWHERE, started_at=started, positions=[{**position, "sequence": sequence}, gone]
        )
    assert ReplicaPosition.objects.get().sequence == 4
    replica_report(name="r1", address=NOWHERE, started_at=started, positions=[], last_error="no snapshot")
    assert not ReplicaPosition.objects.exists()
    assert Replica.objects.get().last_error == "no snapshot"


def publish(version: ModelVersion, sequence: int) -> None:
    publish_record(
        model_version=version, kind="rows", sequence=sequence, num_rows=5, num_deletes=1, num_bytes=640, event_time=NOON
    )


def test_it_shows_where_trainer_and_replica_stand_from_the_last_report(
    api: Api, main: Deployment, version: ModelVersion
) -> None:
    publish(version, 8)
    publish(version, 9)
    position = {"deployment_id": main.pk, "model_version_id": version.pk, "sequence": 7, "age_s": 2.0, "num_rows": 11}
    replica_report(name="r1", address=NOWHERE, started_at=timezone.now(), positions=[position])
    body = api.get("/models/retrieval/sync").json()
    assert body["trainer"]["sequence"] == 9
    assert body["trainer"]["event_time"] == "2026-01-31T12:00:00.000Z"
    (replica,) = body["replicas"]
    assert (replica["source"], replica["sequence"], replica["num_behind"], replica["num_rows"]) == ("report", 7, 2, 11)
    assert replica["is_alive"]
    assert 2.0 <= replica["age_s"] < 60
    assert [(delta["sequence"], delta["num_bytes"]) for delta in body["deltas"]] == [(9, 640), (8, 640)]


def test_it_asks_a_living_replica_where_it_stands_now(api: Api, main: Deployment, version: ModelVersion) -> None:
    publish(version, 9)
    model = ModelStatus(
        role="retrieval",
        name="retrieval",
        version=1,
        sequence=9,
        trainer_sequence=9,
        age_s=0.2,
        events_through={0: 77},
        examples_through={0: 70},
        num_rows=12,
        num_bytes_applied=1000,
        num_rows_applied=20,
        num_deletes_applied=2,
        num_resyncs=1,
        last_error=None,
        digest="00ff",
        table_bytes=4096,
    )
    status = StatusReply("r1", 0, [DeploymentStatus("shop", "main", [model], num_items=3, num_users=0)])
    with served(Answers(status=status)) as address:
        position = {"deployment_id": main.pk, "model_version_id": version.pk, "sequence": 7}
        replica_report(name="r1", address=address, started_at=timezone.now(), positions=[position])
        (replica,) = api.get("/models/retrieval/sync").json()["replicas"]
    assert (replica["source"], replica["sequence"], replica["num_behind"]) == ("live", 9, 0)
    assert (replica["events_through"], replica["digest"], replica["num_resyncs"]) == ({"0": 77}, "00ff", 1)


def test_it_says_that_no_replica_serves_what_is_deployed(nobody: Api, main: Deployment) -> None:
    answer = nobody.get("/health")
    assert answer.status_code == 503
    assert answer.json()["checks"]["replicas"].startswith("none reported")
