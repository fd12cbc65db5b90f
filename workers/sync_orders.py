"""What people asked of a trainer or of a replica: looked for once a second, done, and said to be done."""

from __future__ import annotations

import logging
from typing import Protocol

from engine.serving.requests import ModelStatus, StatusReply
from webapp.registry.models import ModelVersion
from webapp.serving.models import SyncOrder
from webapp.serving.sync_orders import order_done, order_taken, orders_open
from webapp.tracing.selectors import pace_of
from workers.pacing import Pace

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
ModelKey = tuple[str, str, int]
"""Project, model, version."""


class Snapshotting(Protocol):
    """What is needed of `engine.training.publication.Publication`."""

    @property
    def num_snapshots_written(self) -> int: ...

    @property
    def snapshot_sequence(self) -> int: ...

    def ask_snapshot(self) -> int: ...


class Resyncing(Protocol):
    """What is needed of `engine.serving.replica.Replica`."""

    def status(self) -> StatusReply: ...

    def resync(self, project: str, model: str, version: int) -> None: ...


class SnapshotOrders:
    """A trainer's. What an earlier trainer had begun when it died is begun again. Raises what the database does."""

    def __init__(self, model_version: ModelVersion, publication: Snapshotting) -> None:
        self._version, self._publication = model_version, publication
        self._look = Pace(LOOK_EVERY_S)
        self._begun: dict[int, int] = {}

    def turn(self) -> None:
        """Once between two polls."""
        if not self._look.is_due():
            return
        for order in orders_open(kind=SyncOrder.Kind.SNAPSHOT, model_version=self._version):
            if order.pk not in self._begun:
                self._begun[order.pk] = self._publication.ask_snapshot()
                order_taken(order=order)
        for order_id, number in list(self._begun.items()):
            if self._publication.num_snapshots_written >= number:
                order_done(order_id=order_id, sequence=self._publication.snapshot_sequence)
                del self._begun[order_id]


class Paced(Protocol):
    """What is needed of `engine.training.publication.Publication`."""

    def publish_every(self, interval_s: float | None) -> None: ...


class PaceOrders:
    """A trainer's: how often people want it to publish, which outlives it. Raises what the database does."""

    def __init__(self, model_version: ModelVersion, publication: Paced) -> None:
        self._version, self._publication = model_version, publication
        self._look = Pace(LOOK_EVERY_S)
        self._declared_s: float | None = None

    def turn(self) -> None:
        """Once between two polls."""
        if not self._look.is_due():
            return
        wanted_s = pace_of(model_version=self._version)
        if wanted_s != self._declared_s:
            logger.info("%s is published every %s from now on", self._version, wanted_s or "as often as it says")
            self._publication.publish_every(wanted_s)
            self._declared_s = wanted_s


class ResyncOrders:
    """A replica's, by its name. Raises what the database does."""

    def __init__(self, name: str, replica: Resyncing) -> None:
        self._name, self._replica = name, replica
        self._begun: dict[int, tuple[ModelKey, int]] = {}

    def turn(self) -> None:
        """Once a second."""
        models = _models(self._replica.status())
        for order in orders_open(kind=SyncOrder.Kind.RESYNC, replica=self._name):
            model = order.model_version.model
            key = model.project.slug, model.name, order.model_version.version
            if order.pk in self._begun or key not in models:
                continue
            logger.info("replica %s: a resync of %s was asked for", self._name, order.model_version)
            self._begun[order.pk] = key, models[key].num_resyncs
            self._replica.resync(*key)
            order_taken(order=order)
        for order_id, (key, num_before) in list(self._begun.items()):
            status = models.get(key)
            if status is None or status.num_resyncs < num_before:
                del self._begun[order_id]  # withdrawn, or made anew: what is served now is new already
            elif status.num_resyncs > num_before:
                order_done(order_id=order_id, sequence=status.sequence)
                del self._begun[order_id]


def _models(status: StatusReply) -> dict[ModelKey, ModelStatus]:
    """Of a model that is in several deployments or roles the one that was resynced least."""
    found: dict[ModelKey, ModelStatus] = {}
    for deployment in status.deployments:
        for model in deployment.models:
            key = deployment.project, model.name, model.version
            if key not in found or model.num_resyncs < found[key].num_resyncs:
                found[key] = model
    return found
