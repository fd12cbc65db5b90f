"""Deployments, what replicas report, and one recommendation from request to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from django.db import transaction
from django.db.models import ProtectedError
from django.db.models.functions import Now
from django.utils import timezone

from engine.spec.architecture import kinds_of_ranking, kinds_of_retrieval
from webapp.accounts.models import Project
from webapp.core.errors import Conflict, Invalid
from webapp.experiments.models import Arm
from webapp.experiments.selectors import plans_forget
from webapp.registry.models import ModelVersion
from webapp.registry.services import check_name
from webapp.serving.models import Deployment, Replica, ReplicaPosition
from webapp.serving.recommending import recommend

__all__ = [
    "PositionReport",
    "deployment_delete",
    "deployment_put",
    "deployment_roll_back",
    "recommend",
    "replica_report",
]

KINDS_OF_ROLE = {"retrieval": kinds_of_retrieval(), "ranking": kinds_of_ranking()}


class PositionReport(TypedDict, total=False):
    """One entry of `replica_report`'s positions: the two ids, and any of `ReplicaPosition`'s values."""

    deployment_id: int
    model_version_id: int
    sequence: int
    age_s: float | None
    events_through: dict[int, int]
    event_time: datetime | None
    num_rows: int
    num_rows_applied: int
    num_deletes_applied: int
    num_bytes_applied: int
    num_resyncs: int
    digest: str
    last_error: str | None


_POSITION_VALUES = tuple(PositionReport.__annotations__.keys() - {"deployment_id", "model_version_id"})


def deployment_put(
    *,
    project: Project,
    name: str,
    retrieval: ModelVersion | None,
    ranking: ModelVersion | None,
    is_default: bool | None = None,
) -> Deployment:
    """Create the deployment or change its models. The project's first becomes its default.

    `is_default=True` takes the default from another; None leaves it as it is. Raises `Invalid`, `Conflict` for
    `is_default=False` on the default: something must answer.
    """
    check_name("name", name)
    _check_models(project, retrieval, ranking)
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        existing = Deployment.objects.filter(project=project, name=name).first()
        has_other_default = Deployment.objects.filter(project=project, is_default=True).exclude(name=name).exists()
        if is_default is False and not has_other_default:
            raise Conflict("This is the default deployment; make another one the default instead.")
        becomes_default = is_default or (not has_other_default)
        if becomes_default and has_other_default:
            Deployment.objects.filter(project=project, is_default=True).update(is_default=False)
        deployment = existing or Deployment(project=project, name=name)
        if existing and (existing.retrieval, existing.ranking) != (retrieval, ranking):
            deployment.previous_retrieval, deployment.previous_ranking = existing.retrieval, existing.ranking
        deployment.retrieval, deployment.ranking = retrieval, ranking
        deployment.is_default, deployment.is_active = becomes_default, True
        deployment.save()
    plans_forget()
    return deployment


def deployment_roll_back(*, deployment: Deployment) -> Deployment:
    """Answer with what the deployment had before its last change; a second time undoes the first. Raises `Conflict` when there is none.

    Replicas still hold the earlier version's snapshots and deltas, so that they switch within seconds.
    """
    if not deployment.can_roll_back:
        raise Conflict(f"{deployment.name!r} has had no other versions to go back to.")
    return deployment_put(
        project=deployment.project,
        name=deployment.name,
        retrieval=deployment.previous_retrieval,
        ranking=deployment.previous_ranking,
    )


def deployment_delete(*, deployment: Deployment) -> None:
    """Take it out of service. Raises `Conflict` for the default while there are others, and for an arm of a running experiment."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=deployment.project_id)
        others = Deployment.objects.filter(project=deployment.project_id).exclude(pk=deployment.pk)
        if Deployment.objects.filter(pk=deployment.pk, is_default=True).exists() and others.exists():
            raise Conflict(f"{deployment.name!r} is the default deployment; make another one the default first.")
        Arm.objects.filter(deployment=deployment, experiment__is_running=False).delete()
        try:
            deployment.delete()
        except ProtectedError as error:
            raise Conflict(f"{deployment.name!r} is an arm of the running experiment; stop that first.") from error
    plans_forget()


def replica_report(
    *, name: str, address: str, started_at: datetime, positions: Sequence[Mapping[str, Any]], last_error: str = ""
) -> None:
    """A replica's heartbeat and where it stands; positions it no longer names are gone. See `PositionReport`."""
    with transaction.atomic():
        replica, _ = Replica.objects.update_or_create(
            name=name,
            defaults={"address": address, "started_at": started_at, "heartbeat_at": Now(), "last_error": last_error},
        )
        # A deployment may have gone since the replica looked; one that is here is held until we have written.
        named = sorted({position["deployment_id"] for position in positions})
        here = Deployment.objects.select_for_update(no_key=True).filter(pk__in=named).order_by("pk")
        known = set(here.values_list("pk", flat=True))
        rows = [_position(replica, one) for one in positions if one["deployment_id"] in known]
        ReplicaPosition.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["replica", "deployment", "model_version"],
            update_fields=[*_POSITION_VALUES, "reported_at"],
        )
        named_now = {(row.deployment_id, row.model_version_id) for row in rows}
        gone = [
            position.pk
            for position in ReplicaPosition.objects.filter(replica=replica)
            if (position.deployment_id, position.model_version_id) not in named_now
        ]
        ReplicaPosition.objects.filter(pk__in=gone).delete()


def _position(replica: Replica, report: Mapping[str, Any]) -> ReplicaPosition:
    values = {name: report[name] for name in _POSITION_VALUES if name in report}
    values["last_error"] = values.get("last_error") or ""
    values["events_through"] = {str(key): offset for key, offset in values.get("events_through", {}).items()}
    return ReplicaPosition(
        replica=replica,
        deployment_id=report["deployment_id"],
        model_version_id=report["model_version_id"],
        reported_at=timezone.now(),
        **values,
    )


def _check_models(project: Project, retrieval: ModelVersion | None, ranking: ModelVersion | None) -> None:
    if retrieval is None and ranking is None:
        raise Invalid.field("retrieval", "name a retrieval model, a ranking model, or both", "neither")
    for role, chosen in (("retrieval", retrieval), ("ranking", ranking)):
        if chosen is None:
            continue
        if chosen.model.project_id != project.pk:
            raise Invalid.field(role, "must be a model of this project", repr(str(chosen)))
        kind = chosen.document["architecture"]["kind"]
        if kind not in KINDS_OF_ROLE[role]:
            raise Invalid.field(role, f"must be a {role} model: {', '.join(KINDS_OF_ROLE[role])}", repr(kind))
