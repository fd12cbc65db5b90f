"""Snapshot, resync and drain over the API, and whom they are refused to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.webapp.client import DEFINITION, Api
from webapp.accounts.models import Account, Project
from webapp.accounts.services import project_create
from webapp.core.remembered import forget_everything
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish
from webapp.serving.models import Deployment, Replica, SyncOrder
from webapp.serving.selectors import positions_alive, replica_addresses
from webapp.serving.services import deployment_put, replica_report
from webapp.training.models import Run


@pytest.fixture
def version(project: Project) -> ModelVersion:
    return model_publish(project=project, name="retrieval", document=DEFINITION)


@pytest.fixture
def main(project: Project, version: ModelVersion) -> Deployment:
    found = deployment_put(project=project, name="main", retrieval=version, ranking=None)
    for number, sequence in ((1, 41), (2, 30)):
        position = {"deployment_id": found.pk, "model_version_id": version.pk, "sequence": sequence}
        report(number, [position])
    forget_everything()
    return found


def report(number: int, positions: list[dict[str, int]]) -> None:
    replica_report(
        name=f"replica-{number}", address=f"127.0.0.1:{number}", started_at=timezone.now(), positions=positions
    )


def train(project: Project, version: ModelVersion, latest: dict[str, float] | None = None) -> Run:
    return Run.objects.create(
        project=project, model_version=version, mode="online", state="running", latest=latest or {}
    )


def test_it_orders_one_snapshot_however_often_it_is_asked(api: Api, project: Project, version: ModelVersion) -> None:
    train(project, version)
    first, second = (api.post("/models/retrieval/snapshot", {"version": 1}) for _ in range(2))
    assert (first.status_code, first.json()["kind"], first.json()["asked_by"]) == (202, "snapshot", "API")
    assert second.json()["id"] == first.json()["id"]
    [order] = api.get("/models/retrieval/sync").json()["orders"]
    assert (order["id"], order["done_at"]) == (first.json()["id"], None)


def test_it_refuses_a_snapshot_of_what_nobody_trains(api: Api, version: ModelVersion) -> None:
    assert api.post("/models/retrieval/snapshot", {}).status_code == 409
    assert api.post("/models/nil/snapshot", {}).status_code == 404
    assert not SyncOrder.objects.exists()


def test_it_orders_a_resync_of_a_replica_that_lives(api: Api, main: Deployment) -> None:
    answer = api.post("/models/retrieval/resync", {"replica": "replica-1"})
    assert (answer.status_code, answer.json()["replica"]) == (202, "replica-1")
    assert api.post("/models/retrieval/resync", {"replica": "nobody"}).status_code == 404
    assert api.post("/models/retrieval/resync", {}).status_code == 400
    Replica.objects.filter(name="replica-2").update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert api.post("/models/retrieval/resync", {"replica": "replica-2"}).status_code == 409


def test_a_drained_replica_is_not_asked_until_it_is_undrained(
    api: Api, main: Deployment, version: ModelVersion
) -> None:
    assert replica_addresses() == ("127.0.0.1:1", "127.0.0.1:2")
    assert api.post("/replicas/replica-2/drain", {}).json()["drained_at"] is not None
    forget_everything()
    assert replica_addresses() == ("127.0.0.1:1",)
    # it reports on, and starts again, and is still drained
    report(2, [{"deployment_id": main.pk, "model_version_id": version.pk, "sequence": 42}])
    forget_everything()
    assert replica_addresses() == ("127.0.0.1:1",)
    assert api.delete("/replicas/replica-2/drain").json()["drained_at"] is None
    forget_everything()
    assert replica_addresses() == ("127.0.0.1:1", "127.0.0.1:2")


def test_it_does_not_drain_the_last_one_that_answers(api: Api, main: Deployment) -> None:
    assert api.post("/replicas/replica-1/drain", {}).status_code == 200
    assert api.post("/replicas/replica-2/drain", {}).status_code == 409
    assert api.post("/replicas/nobody/drain", {}).status_code == 404
    assert api.delete("/replicas/replica-1/drain").json()["drained_at"] is None


def test_a_member_of_one_project_does_not_drain_what_answers_for_others(api: Api, main: Deployment) -> None:
    account = Account.objects.create_user("other", password="a long enough password")
    other = project_create(slug="other", name="Other", account=account)
    theirs = model_publish(project=other, name="retrieval", document=DEFINITION)
    deployment_put(project=other, name="main", retrieval=theirs, ranking=None)
    assert api.post("/replicas/replica-1/drain", {}).status_code == 409
    call_command("sync", "drain", "replica-1", project="shop")
    assert Replica.objects.get(name="replica-1").drained_at is not None
    call_command("sync", "undrain", "replica-1", project="shop")
    assert Replica.objects.get(name="replica-1").drained_at is None


def test_the_command_waits_for_what_it_asked(project: Project, version: ModelVersion, main: Deployment) -> None:
    train(project, version)
    with pytest.raises(CommandError, match=r"the snapshot of retrieval v1 was not taken up within 0\.3 s"):
        call_command("sync", "--wait", "0.3", "snapshot", "retrieval", project="shop")
    SyncOrder.objects.update(done_at=timezone.now(), sequence=9)
    call_command("sync", "--wait", "0", "resync", "retrieval", "replica-1", project="shop")
    assert [order.kind for order in SyncOrder.objects.all()] == ["resync", "snapshot"]


def test_it_tells_who_acknowledged_what_and_how_slow_the_trainer_is(
    api: Api, project: Project, version: ModelVersion, main: Deployment
) -> None:
    train(project, version, {"publish_interval_s": 8.0, "slowest_replica_behind": 70})
    answer = api.get("/models/retrieval/sync").json()
    assert [(one["name"], one["acknowledged"], one["is_drained"]) for one in answer["replicas"]] == [
        ("replica-1", 41, False),
        ("replica-2", 30, False),
    ]
    trainer = answer["trainer"]
    assert (trainer["interval_s"], trainer["publish_interval_s"], trainer["slowest_replica_behind"]) == (1.0, 8.0, 70)


def test_a_trainer_hears_of_living_replicas_only(version: ModelVersion, main: Deployment) -> None:
    assert positions_alive(model_version=version) == {"replica-1": 41, "replica-2": 30}
    Replica.objects.filter(name="replica-2").update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert positions_alive(model_version=version) == {"replica-1": 41}
