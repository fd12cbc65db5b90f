"""What a person may ask of trainers and replicas: a snapshot now, a resync, to be left alone. They find it in PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from webapp.accounts.models import Project
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict, NotFound
from webapp.registry.models import ModelVersion
from webapp.serving.models import Deployment, Replica, ReplicaPosition, SyncOrder
from webapp.serving.selectors import replicas_alive
from webapp.training.models import Run

NUM_SHOWN = 10
NUM_KEPT = 100
OPEN_FOR = timedelta(minutes=10)
"""What nobody has done by then was meant for another situation."""


def snapshot_order(*, model_version: ModelVersion, asked_by: str = "") -> SyncOrder:
    """Have the version's online trainer write a snapshot. One that waits already is answered. Raises `Conflict` when nobody trains it."""
    runs = Run.objects.filter(model_version=model_version, mode=Run.Mode.ONLINE, wanted=True, state=Run.State.RUNNING)
    if not runs.exists():
        raise Conflict(f"{model_version} is not trained online now, so nobody has parameters to write.")
    project = model_version.model.project
    audit_record(project=project, action="snapshot_order", target=f"model {model_version}")
    return _order(model_version, SyncOrder.Kind.SNAPSHOT, asked_by)


def resync_order(*, model_version: ModelVersion, replica: str, asked_by: str = "") -> SyncOrder:
    """Have a replica load the version's newest snapshot and go on from there; it answers meanwhile.

    Raises `NotFound` for a replica that does not serve the version, `Conflict` for one that does not live.
    """
    position = ReplicaPosition.objects.filter(model_version=model_version, replica__name=replica).first()
    if position is None:
        raise NotFound(f"No replica {replica!r} serves {model_version}.")
    if not replicas_alive().filter(name=replica).exists():
        raise Conflict(f"Replica {replica!r} is silent; it loads a snapshot by itself when it starts.")
    details = {"replica": replica}
    audit_record(
        project=model_version.model.project, action="resync_order", target=f"model {model_version}", details=details
    )
    return _order(model_version, SyncOrder.Kind.RESYNC, asked_by, replica)


def replica_drain(*, replica: str, project: Project | None = None) -> Replica:
    """Ask the replica for nothing more; what it has begun it ends, and it goes on following the log.

    `project` is whose member asks; None is whoever runs the machines. Raises `NotFound`, and `Conflict` when nobody else would be left
    to answer, or when replicas answer for other projects too.
    """
    found = _replica(replica, project)
    with transaction.atomic():
        # Two drains at once would each find the other's replica left.
        answering = list(replicas_alive().filter(drained_at=None).order_by("pk").select_for_update())
        if not any(one.pk != found.pk for one in answering):
            raise Conflict(f"{replica!r} is the only replica that answers; start another one first.")
        is_news = Replica.objects.filter(pk=found.pk, drained_at=None).update(drained_at=Now())
        if is_news and project is not None:
            audit_record(project=project, action="replica_drain", target=f"replica {replica}")
    found.refresh_from_db()
    return found


def replica_undrain(*, replica: str, project: Project | None = None) -> Replica:
    """Ask it again. Raises as `replica_drain`."""
    found = _replica(replica, project)
    with transaction.atomic():
        is_news = Replica.objects.filter(pk=found.pk, drained_at__isnull=False).update(drained_at=None)
        if is_news and project is not None:
            audit_record(project=project, action="replica_undrain", target=f"replica {replica}")
    found.refresh_from_db()
    return found


def orders_open(*, kind: SyncOrder.Kind, **whose: Any) -> QuerySet[SyncOrder]:
    """What still waits to be done, oldest first; `whose` is `model_version` or `replica`."""
    recent = SyncOrder.objects.filter(kind=kind, done_at=None, asked_at__gt=Now() - OPEN_FOR, **whose)
    return recent.select_related("model_version__model__project").order_by("id")


def order_taken(*, order: SyncOrder) -> None:
    SyncOrder.objects.filter(pk=order.pk, taken_at=None).update(taken_at=Now())


def order_done(*, order_id: int, sequence: int) -> None:
    """It was done with the parameters at this sequence."""
    SyncOrder.objects.filter(pk=order_id, done_at=None).update(done_at=Now(), sequence=sequence)


def orders_described(*, model_version: ModelVersion) -> list[dict[str, Any]]:
    """The newest `NUM_SHOWN`, newest first."""
    names = ("id", "kind", "replica", "asked_by", "asked_at", "taken_at", "done_at", "sequence")
    return list(SyncOrder.objects.filter(model_version=model_version).order_by("-id").values(*names)[:NUM_SHOWN])


def _order(model_version: ModelVersion, kind: SyncOrder.Kind, asked_by: str, replica: str = "") -> SyncOrder:
    with transaction.atomic():
        ModelVersion.objects.select_for_update(no_key=True).get(pk=model_version.pk)
        waiting = orders_open(kind=kind, model_version=model_version, replica=replica).first()
        if waiting is not None:
            return waiting
        made = SyncOrder.objects.create(
            model_version=model_version, kind=kind, replica=replica, asked_by=asked_by[:150]
        )
        kept = SyncOrder.objects.filter(model_version=model_version).order_by("-id").values_list("pk", flat=True)
        SyncOrder.objects.filter(model_version=model_version).exclude(pk__in=list(kept[:NUM_KEPT])).delete()
    return made


def _replica(name: str, project: Project | None) -> Replica:
    replica = Replica.objects.filter(name=name).first()
    serves = ReplicaPosition.objects.filter(replica__name=name, deployment__project=project)
    if replica is None or (project is not None and not serves.exists()):
        raise NotFound(f"There is no replica {name!r}.")
    if project is not None and Deployment.objects.filter(is_active=True).exclude(project=project).exists():
        raise Conflict("Replicas answer for other projects too; whoever runs them may drain one: manage.py sync drain.")
    return replica
