"""What people ask of trainers and replicas is done once, by who is there, and said to be done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from engine.serving.requests import DeploymentStatus, ModelStatus, StatusReply
from engine.spec.demo import demo_retriever, demo_schema
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.models import Deployment, SyncOrder
from webapp.serving.services import deployment_put, replica_report
from webapp.serving.sync_orders import resync_order, snapshot_order
from webapp.training.models import Run
from workers import sync_orders
from workers.sync_orders import ResyncOrders, SnapshotOrders


@pytest.fixture(autouse=True)
def _always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_orders, "LOOK_EVERY_S", 0.0)


@pytest.fixture
def version(project: Project) -> ModelVersion:
    schema_publish(project=project, document=demo_schema())
    found = model_publish(project=project, name="retriever", document=demo_retriever())
    Run.objects.create(project=project, model_version=found, mode=Run.Mode.ONLINE, state=Run.State.RUNNING)
    return found


@pytest.fixture
def deployment(project: Project, version: ModelVersion) -> Deployment:
    found = deployment_put(project=project, name="main", retrieval=version, ranking=None)
    position = {"deployment_id": found.pk, "model_version_id": version.pk, "sequence": 7}
    replica_report(name="r1", address="127.0.0.1:9", started_at=timezone.now(), positions=[position])
    return found


class Publishing:
    """Counts as `Publication` does; `write` has what was asked for written."""

    def __init__(self) -> None:
        self.num_snapshots_written, self.snapshot_sequence = 3, 40

    def ask_snapshot(self) -> int:
        return self.num_snapshots_written + 1

    def write(self) -> None:
        self.num_snapshots_written += 1
        self.snapshot_sequence += 2


class Serving:
    """One model in one deployment, with a count of resyncs."""

    def __init__(self) -> None:
        self.num_resyncs = 5
        self.asked: list[tuple[str, str, int]] = []

    def status(self) -> StatusReply:
        named: dict[str, Any] = {"role": "retrieval", "name": "retriever", "version": 1, "sequence": 12}
        names = ("num_rows", "num_bytes_applied", "num_rows_applied", "num_deletes_applied", "table_bytes")
        counts: dict[str, Any] = dict.fromkeys(names, 0)
        model = ModelStatus(
            **named, **counts, trainer_sequence=12, age_s=0.0, events_through={},
            examples_through={}, num_resyncs=self.num_resyncs, last_error=None, digest="",
        )  # fmt: skip
        return StatusReply("r1", 0, [DeploymentStatus("shop", "main", [model], 0, 0)])

    def resync(self, project: str, model: str, version: int) -> None:
        self.asked.append((project, model, version))


def state(order: SyncOrder) -> tuple[bool, bool, int | None]:
    order.refresh_from_db()
    return order.taken_at is not None, order.done_at is not None, order.sequence


def test_a_trainer_writes_the_snapshot_that_was_asked_for_and_says_where(version: ModelVersion) -> None:
    order, publishing = snapshot_order(model_version=version), Publishing()
    orders = SnapshotOrders(version, publishing)
    orders.turn()
    assert state(order) == (True, False, None)
    publishing.write()
    orders.turn()
    assert state(order) == (True, True, 42)
    orders.turn()
    assert publishing.num_snapshots_written == 4


def test_the_next_trainer_does_what_the_last_one_died_over(version: ModelVersion) -> None:
    order = snapshot_order(model_version=version)
    SnapshotOrders(version, Publishing()).turn()
    publishing = Publishing()
    successor = SnapshotOrders(version, publishing)
    successor.turn()
    publishing.write()
    successor.turn()
    assert state(order) == (True, True, 42)


def test_an_order_that_nobody_took_is_forgotten_after_a_while(version: ModelVersion) -> None:
    order = snapshot_order(model_version=version)
    SyncOrder.objects.update(asked_at=timezone.now() - timedelta(minutes=11))
    SnapshotOrders(version, Publishing()).turn()
    assert state(order) == (False, False, None)


def test_a_replica_resyncs_once_and_says_when_it_has(version: ModelVersion, deployment: Deployment) -> None:
    order, serving = resync_order(model_version=version, replica="r1"), Serving()
    orders = ResyncOrders("r1", serving)
    ResyncOrders("r2", Serving()).turn()
    assert state(order) == (False, False, None)
    for _ in range(3):
        orders.turn()
    assert serving.asked == [("shop", "retriever", 1)]
    assert state(order) == (True, False, None)
    serving.num_resyncs += 1
    orders.turn()
    assert state(order) == (True, True, 12)
