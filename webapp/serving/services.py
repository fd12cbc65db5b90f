"""Deployments, what replicas report, and one recommendation from request to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from webapp.serving.deployment_services import (
    KINDS_OF_ROLE,
    deployment_delete,
    deployment_make_default,
    deployment_put,
    deployment_roll_back,
)
from webapp.serving.models import Deployment, Replica, ReplicaPosition
from webapp.serving.recommending import recommend

__all__ = [
    "KINDS_OF_ROLE",
    "PositionReport",
    "deployment_delete",
    "deployment_make_default",
    "deployment_put",
    "deployment_roll_back",
    "recommend",
    "replica_report",
]


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
