"""What a replica should serve, by the database, and what it tells the database: one turn a second."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

import orjson
from django.db import DatabaseError

from engine.errors import EngineError
from engine.serving.deployment import DeploymentSpec, ModelRef
from engine.serving.freshness_meter import Freshness
from engine.serving.requests import StatusReply
from engine.serving.travel_log import Travel
from engine.spec.definition import ModelDefinition
from engine.spec.deployment import DeploymentDocument
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import schema_document
from webapp.serving import services
from webapp.serving.freshness_series import freshness_note
from webapp.serving.models import Deployment, Replica
from webapp.serving.selectors import deployments_active
from webapp.serving.services import PositionReport
from workers.sync_orders import ResyncOrders
from workers.travel_notes import ReplicaNotes

logger = logging.getLogger(__name__)

Key = tuple[str, str]
FRESHNESS_TURNS = 5
_LONG_AGO = datetime.fromtimestamp(0, UTC)


class Servant(Protocol):
    """What is needed of `engine.serving.replica.Replica`."""

    def deployments(self) -> list[DeploymentSpec]: ...

    def deploy(self, spec: DeploymentSpec) -> None: ...

    def withdraw(self, project: str, name: str) -> None: ...

    def status(self) -> StatusReply: ...

    def take_freshness(self) -> dict[tuple[str, str, int], Freshness]: ...

    def take_travel(self) -> dict[tuple[str, str, int], Travel]: ...

    def resync(self, project: str, model: str, version: int) -> None: ...


class ServingTurn:
    """Makes a replica serve what is active, and reports where it stands. Nothing that fails here stops it from serving."""

    def __init__(
        self,
        replica: Servant,
        *,
        name: str,
        address: str,
        wanted: Callable[[], list[Deployment]] = deployments_active,
    ) -> None:
        self._replica, self._name, self._address, self._wanted = replica, name, address, wanted
        self._started_at = datetime.now(UTC)
        self._deployments: dict[Key, Deployment] = {}
        self._errors: dict[Key, str] = {}
        self._fresh_turns = 0
        self._orders = ResyncOrders(name, replica)
        self._notes = ReplicaNotes(name)

    def turn(self) -> None:
        """One look and one report, on whatever connection there is. While the database is away the replica goes on with what it has."""
        try:
            self._follow()
            self._report()
            self._note_freshness()
            self._note_travel()
            self._orders.turn()
        except (DatabaseError, EngineError) as error:
            logger.warning("replica %s: its turn failed and will be tried again: %s", self._name, error)

    def leave(self) -> None:
        """Tell the others not to ask this replica any more, instead of letting them find out."""
        try:
            Replica.objects.filter(name=self._name).update(heartbeat_at=_LONG_AGO)
        except DatabaseError as error:
            logger.warning("replica %s could not say that it leaves: %s", self._name, error)

    def _follow(self) -> None:
        self._deployments = {(deployment.project.slug, deployment.name): deployment for deployment in self._wanted()}
        serving = {(spec.project, spec.name): spec for spec in self._replica.deployments()}
        for project, name in serving.keys() - self._deployments.keys():
            self._replica.withdraw(project, name)
            logger.info("replica %s: withdrew %s/%s", self._name, project, name)
        self._errors = {key: text for key, text in self._errors.items() if key in self._deployments}
        for key, deployment in self._deployments.items():
            try:
                spec = spec_of(deployment)
                if serving.get(key) != spec:
                    self._replica.deploy(spec)
                    logger.info("replica %s: serves %s/%s", self._name, *key)
                self._errors.pop(key, None)
            except (EngineError, OSError) as error:
                if self._errors.get(key) != str(error):
                    logger.warning("replica %s: %s/%s cannot be served yet: %s", self._name, *key, error)
                self._errors[key] = str(error)

    def _report(self) -> None:
        services.replica_report(
            name=self._name,
            address=self._address,
            started_at=self._started_at,
            positions=positions_of(self._replica.status(), self._deployments),
            last_error="; ".join(f"{project}/{name}: {text}" for (project, name), text in sorted(self._errors.items())),
        )

    def _note_freshness(self) -> None:
        """Every `FRESHNESS_TURNS`, so that a point of the series holds several canaries."""
        self._fresh_turns += 1
        if self._fresh_turns < FRESHNESS_TURNS:
            return
        self._fresh_turns = 0
        versions = self._versions()
        for key, found in self._replica.take_freshness().items():
            if key in versions and found:
                freshness_note(model_version=versions[key], replica=self._name, measured=found)

    def _note_travel(self) -> None:
        versions = self._versions()
        travels = self._replica.take_travel()
        self._notes.turn({versions[key].pk: travel for key, travel in travels.items() if key in versions})

    def _versions(self) -> dict[tuple[str, str, int], ModelVersion]:
        """What is served, by project, model and version."""
        return {
            (project, version.model.name, version.version): version
            for (project, _), deployment in self._deployments.items()
            for version in (deployment.retrieval, deployment.ranking)
            if version is not None
        }


def spec_of(deployment: Deployment) -> DeploymentSpec:
    """What the replica is told; raises `InvalidDocument` when a definition or document of another version of Freshet cannot be read."""
    return DeploymentSpec(
        project=deployment.project.slug,
        name=deployment.name,
        schema=schema_document(project=deployment.project),
        retrieval=_reference(deployment.retrieval),
        ranking=_reference(deployment.ranking),
        document=_document(orjson.dumps(deployment.document)),
        revision=deployment.revision,
    )


@lru_cache(maxsize=256)
def _document(document: bytes) -> DeploymentDocument:
    """Each is parsed once, though every turn asks."""
    return DeploymentDocument.parse(orjson.loads(document))


def _reference(version: ModelVersion | None) -> ModelRef | None:
    if version is None:
        return None
    return ModelRef(version.model.name, version.version, _definition(version.pk))


@lru_cache(maxsize=256)
def _definition(version_id: int) -> ModelDefinition:
    """A version never changes once written, so it is parsed once."""
    return ModelDefinition.parse(ModelVersion.objects.get(pk=version_id).document)


def positions_of(status: StatusReply, deployments: dict[Key, Deployment]) -> list[PositionReport]:
    """The status in the database's words; what the database no longer knows is left out."""
    positions: list[PositionReport] = []
    for served in status.deployments:
        deployment = deployments.get((served.project, served.name))
        if deployment is None:
            continue
        versions = {
            (version.model.name, version.version): version.pk
            for version in (deployment.retrieval, deployment.ranking)
            if version is not None
        }
        for model in served.models:
            version_id = versions.get((model.name, model.version))
            if version_id is None:
                continue
            positions.append(
                PositionReport(
                    deployment_id=deployment.pk,
                    model_version_id=version_id,
                    sequence=model.sequence,
                    age_s=model.age_s,
                    events_through=model.events_through,
                    num_rows=model.num_rows,
                    num_rows_applied=model.num_rows_applied,
                    num_deletes_applied=model.num_deletes_applied,
                    num_bytes_applied=model.num_bytes_applied,
                    num_resyncs=model.num_resyncs,
                    digest=model.digest,
                    last_error=model.last_error,
                )
            )
    return positions
