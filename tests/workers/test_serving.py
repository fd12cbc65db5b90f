"""A replica's turn: what the database says is served, what is served is reported, and a broken deployment is named."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from engine.errors import EngineError
from engine.serving.deployment import DeploymentSpec
from engine.serving.freshness_meter import Freshness
from engine.serving.requests import DeploymentStatus, ModelStatus, StatusReply
from engine.serving.travel_log import Travel
from engine.spec.demo import demo_ranker, demo_retriever, demo_schema
from engine.spec.deployment import DeploymentDocument
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.freshness_series import (
    KEPT,
    freshness_note,
    freshness_now,
    freshness_of,
    freshness_prune,
    freshness_series,
)
from webapp.serving.models import Deployment, FreshnessPoint, Replica, ReplicaPosition
from webapp.serving.selectors import replicas_alive
from webapp.serving.services import deployment_put
from workers.serving import FRESHNESS_TURNS, ServingTurn


class Recorder:
    """Does what a replica does with specs, without parameters: every model stands at sequence 7."""

    def __init__(self) -> None:
        self.served: dict[tuple[str, str], DeploymentSpec] = {}
        self.num_deploys = 0
        self.refuses = False
        self.measured: dict[tuple[str, str, int], Freshness] = {}
        self.travelled: dict[tuple[str, str, int], Travel] = {}

    def deployments(self) -> list[DeploymentSpec]:
        return list(self.served.values())

    def deploy(self, spec: DeploymentSpec) -> None:
        if self.refuses:
            raise EngineError("no memory left")
        self.num_deploys += 1
        self.served[spec.project, spec.name] = spec

    def withdraw(self, project: str, name: str) -> None:
        del self.served[project, name]

    def take_freshness(self) -> dict[tuple[str, str, int], Freshness]:
        return self.measured

    def take_travel(self) -> dict[tuple[str, str, int], Travel]:
        return self.travelled

    def resync(self, project: str, model: str, version: int) -> None:
        raise AssertionError(f"nobody asked for a resync of {project}/{model} v{version}")

    def status(self) -> StatusReply:
        return StatusReply("replica-1", 0, [self._status(spec) for spec in self.served.values()])

    @staticmethod
    def _status(spec: DeploymentSpec) -> DeploymentStatus:
        models = [
            ModelStatus(
                role=role,
                name=ref.name,
                version=ref.version,
                sequence=7,
                trainer_sequence=9,
                age_s=0.5,
                events_through={0: 30},
                examples_through={0: 40},
                num_rows=11,
                num_bytes_applied=5,
                num_rows_applied=6,
                num_deletes_applied=1,
                num_resyncs=2,
                last_error=None,
                digest="abc",
                table_bytes=99,
            )
            for role, ref in (("retrieval", spec.retrieval), ("ranking", spec.ranking))
            if ref is not None
        ]
        return DeploymentStatus(spec.project, spec.name, models, num_items=0, num_users=0)


@pytest.fixture
def retriever(project: Project) -> ModelVersion:
    schema_publish(project=project, document=demo_schema())
    return model_publish(project=project, name="retriever", document=demo_retriever())


@pytest.fixture
def ranker(retriever: ModelVersion, project: Project) -> ModelVersion:
    return model_publish(project=project, name="ranker", document=demo_ranker())


def turn_of(replica: Recorder) -> ServingTurn:
    return ServingTurn(replica, name="replica-1", address="127.0.0.1:5000")


def test_turn_deploys_what_is_active_once_and_reports_each_position(
    project: Project, retriever: ModelVersion, ranker: ModelVersion
) -> None:
    deployment_put(project=project, name="main", retrieval=retriever, ranking=ranker)
    replica = Recorder()
    turn = turn_of(replica)
    for _ in range(3):
        turn.turn()
    assert replica.num_deploys == 1
    positions = ReplicaPosition.objects.filter(replica__name="replica-1")
    assert {position.model_version_id for position in positions} == {retriever.pk, ranker.pk}
    assert {(position.sequence, position.num_rows, position.num_resyncs) for position in positions} == {(7, 11, 2)}
    assert [replica.address for replica in replicas_alive()] == ["127.0.0.1:5000"]


def test_turn_follows_a_change_and_a_withdrawal(
    project: Project, retriever: ModelVersion, ranker: ModelVersion
) -> None:
    deployment = deployment_put(project=project, name="main", retrieval=retriever, ranking=None)
    replica = Recorder()
    turn = turn_of(replica)
    turn.turn()
    deployment_put(project=project, name="main", retrieval=retriever, ranking=ranker)
    turn.turn()
    (spec,) = replica.deployments()
    assert spec.ranking is not None and spec.ranking.name == "ranker"
    Deployment.objects.filter(pk=deployment.pk).update(is_active=False)
    turn.turn()
    assert replica.deployments() == []
    assert not ReplicaPosition.objects.exists()


def test_turn_follows_a_new_document_and_its_revision(project: Project, retriever: ModelVersion) -> None:
    deployment_put(project=project, name="main", retrieval=retriever, ranking=None)
    replica = Recorder()
    turn = turn_of(replica)
    turn.turn()
    (before,) = replica.deployments()
    document = {"seen": {"policy": "keep"}, "timeout_ms": 50}
    deployment_put(project=project, name="main", retrieval=retriever, ranking=None, document=document)
    for _ in range(2):
        turn.turn()
    (after,) = replica.deployments()
    assert replica.num_deploys == 2
    assert (after.document, after.revision) == (DeploymentDocument.parse(document), before.revision + 1)
    assert after.retrieval == before.retrieval


def test_deployment_that_cannot_be_served_is_named_until_it_can(project: Project, retriever: ModelVersion) -> None:
    deployment_put(project=project, name="main", retrieval=retriever, ranking=None)
    replica = Recorder()
    replica.refuses = True
    turn = turn_of(replica)
    turn.turn()
    assert Replica.objects.get().last_error == "shop/main: no memory left"
    replica.refuses = False
    turn.turn()
    assert Replica.objects.get().last_error == ""


def test_replica_that_leaves_is_not_asked_any_more(project: Project) -> None:
    turn = turn_of(Recorder())
    turn.turn()
    assert replicas_alive().exists()
    turn.leave()
    assert not replicas_alive().exists()


@pytest.mark.django_db
def test_what_a_replica_measures_becomes_a_series(project: Project, retriever: ModelVersion) -> None:
    replica = Recorder()
    turn = ServingTurn(replica, name="replica-1", address="127.0.0.1:1")
    deployment_put(project=project, name="main", retrieval=retriever, ranking=None)
    assert freshness_of(model_version=retriever)["wall"] == {"p50_s": None, "p95_s": None, "max_s": None}
    replica.measured = {
        (project.slug, "retriever", 1): Freshness((1.0, 3.0), (2.0, 4.0), 1),
        (project.slug, "withdrawn meanwhile", 1): Freshness((9.0,), (9.0,), 0),
    }
    for _ in range(FRESHNESS_TURNS):
        turn.turn()
    replica.measured = {(project.slug, "retriever", 1): Freshness((0.5,), (1.5,), 0)}
    for _ in range(FRESHNESS_TURNS):
        turn.turn()
    assert freshness_of(model_version=retriever) == {
        "window_s": 3600,
        "num_canaries": 3,
        "num_given_up": 1,
        "waiting_s": None,
        "wall": {"p50_s": 1.0, "p95_s": 3.0, "max_s": 3.0},
        "event_time": {"p50_s": 2.0, "p95_s": 4.0, "max_s": 4.0},
    }
    (point,) = freshness_series(model_version=retriever, window_s=3600, num_points=1)
    assert (point["p50_s"], point["max_s"]) == (1.0, 3.0)
    FreshnessPoint.objects.update(at=timezone.now() - KEPT - timedelta(seconds=1))
    assert freshness_prune() == 2


def test_an_outage_is_a_hill_in_the_series_and_no_gap(retriever: ModelVersion) -> None:
    """Canaries that arrived count; where none did, for how long the oldest had been waited for."""
    now = timezone.now()
    for age_s, measured in (
        (95, Freshness((1.0, 2.0), (1.0, 2.0), 0, waiting_s=0.5)),
        (65, Freshness(waiting_s=31.0)),
        (62, Freshness(waiting_s=34.0)),
        (35, Freshness(waiting_s=61.0)),
        (5, Freshness((90.0,), (90.0,), 0)),
    ):
        point = freshness_note(model_version=retriever, replica="replica-1", measured=measured)
        FreshnessPoint.objects.filter(pk=point.pk).update(at=now - timedelta(seconds=age_s))
    series = freshness_series(model_version=retriever, window_s=120, num_points=4)
    assert [(point["p50_s"], point["max_s"]) for point in series] == [
        (1.0, 2.0),
        (34.0, 34.0),
        (61.0, 61.0),
        (90.0, 90.0),
    ]
    assert freshness_now(model_version=retriever)["max_s"] == 90.0
    FreshnessPoint.objects.order_by("-id")[:1].get().delete()
    FreshnessPoint.objects.update(at=now)
    assert freshness_of(model_version=retriever)["waiting_s"] == 61.0
