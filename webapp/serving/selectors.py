"""Deployments, living replicas, and how far the parameters have travelled."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.db.models import F, Max, Min, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from engine.errors import EngineError
from engine.serving.requests import ModelStatus, StatusReply
from engine.spec.sync_settings import Sync
from webapp.accounts.models import Project
from webapp.core.remembered import OUTAGE_S, Remembered
from webapp.core.selectors import Check
from webapp.registry.models import ModelVersion
from webapp.serving.clients import replica_client
from webapp.serving.deployment_selectors import deployment_get, deployments_active, deployments_of
from webapp.serving.models import Deployment, Replica, ReplicaPosition
from webapp.tracing.selectors import pace_of
from webapp.training.models import Publish, Run

__all__ = [
    "deployment_get",
    "deployments_active",
    "deployments_of",
    "oldest_age_s",
    "positions_alive",
    "replica_addresses",
    "replica_check",
    "replicas_alive",
    "serves",
    "sync_status",
]

logger = logging.getLogger(__name__)

ALIVE_S = 10.0
ADDRESSES_KEPT_S = 1.0
STATUS_TIMEOUT_S = 0.3
NUM_DELTAS = 50

_addresses: Remembered[str, tuple[str, ...]] = Remembered(ADDRESSES_KEPT_S, stale_s=OUTAGE_S)


def replicas_alive() -> QuerySet[Replica]:
    """Replicas that reported within `ALIVE_S` by PostgreSQL's clock, by name."""
    return Replica.objects.filter(heartbeat_at__gt=Now() - timedelta(seconds=ALIVE_S)).order_by("name")


def replica_addresses() -> tuple[str, ...]:
    """Addresses of living replicas that are not drained, remembered for `ADDRESSES_KEPT_S`. No replica is an answer, and is not
    remembered.
    """
    found = _addresses.get("alive", lambda: tuple(_asked().values_list("address", flat=True)))
    if not found:
        _addresses.forget()
    return found


def _asked() -> QuerySet[Replica]:
    return replicas_alive().filter(drained_at=None)


def replica_check() -> Check:
    """Whether somebody answers recommendations; with nothing deployed nobody has to."""
    if Deployment.objects.filter(is_active=True).exists() and not replicas_alive().exists():
        return Check("replicas", f"none reported within {ALIVE_S:g} s")
    return Check("replicas")


def oldest_age_s(*, project: Project) -> float | None:
    """Age of the oldest parameters that a living replica serves for the project, by its last report; None without one."""
    positions = ReplicaPosition.objects.filter(replica__in=replicas_alive(), deployment__project=project)
    oldest: float | None = positions.aggregate(oldest=Max("age_s"))["oldest"]
    return oldest


def sync_status(*, model_version: ModelVersion, with_deltas: int = NUM_DELTAS) -> dict[str, Any]:
    """Where the trainer stands and where each replica that serves the version stands.

    A replica that answers over gRPC is described as it is now (`source` "live"), any other by its last report
    ("report"). Times are RFC 3339 or None, `age_s` is seconds since the newest applied delta was published.
    """
    newest = Publish.objects.filter(model_version=model_version).order_by("-id").first()
    sequence = newest.sequence if newest else 0
    positions = list(
        ReplicaPosition.objects.filter(model_version=model_version)
        .select_related("replica", "deployment")
        .order_by("replica__name", "deployment__name")
    )
    alive = set(replicas_alive().values_list("pk", flat=True))
    live = _live_statuses({one.replica.address for one in positions if one.replica_id in alive})
    return {
        "model": model_version.model.name,
        "version": model_version.version,
        "trainer": {
            "sequence": sequence,
            "published_at": _iso(newest.published_at) if newest else None,
            "event_time": _iso(newest.event_time) if newest else None,
            "run": _run(model_version),
            **_pace(model_version),
        },
        "replicas": [
            _replica(one, model_version, sequence, one.replica_id in alive, live.get(one.replica.address))
            for one in positions
        ],
        "deltas": [
            {
                "kind": one.kind,
                "sequence": one.sequence,
                "num_rows": one.num_rows,
                "num_deletes": one.num_deletes,
                "num_bytes": one.num_bytes,
                "event_time": _iso(one.event_time),
                "published_at": _iso(one.published_at),
            }
            for one in Publish.objects.filter(model_version=model_version).order_by("-id")[:with_deltas]
        ],
    }


def positions_alive(*, model_version: ModelVersion) -> dict[str, int]:
    """Of each living replica that serves the version the least sequence that it said it serves."""
    positions = ReplicaPosition.objects.filter(model_version=model_version, replica__in=replicas_alive())
    return dict(positions.values_list("replica__name").annotate(least=Min("sequence")))


def serves(*, model_version: ModelVersion) -> QuerySet[Deployment]:
    """Active deployments that this version answers in."""
    return Deployment.objects.filter(Q(retrieval=model_version) | Q(ranking=model_version), is_active=True)


def _pace(model_version: ModelVersion) -> dict[str, float | int | None]:
    """How often the online trainer publishes, and how far behind is the slowest replica that it waits for."""
    latest = Run.objects.filter(model_version=model_version, state=Run.State.RUNNING, mode=Run.Mode.ONLINE)
    values = latest.order_by("-id").values_list("latest", flat=True).first() or {}
    wanted_s = pace_of(model_version=model_version)
    declared_s = model_version.document.get("sync", {}).get("interval_s", Sync().interval_s)
    return {
        "interval_s": declared_s if wanted_s is None else wanted_s,
        "declared_interval_s": declared_s,
        "publish_interval_s": values.get("publish_interval_s"),
        "slowest_replica_behind": values.get("slowest_replica_behind"),
    }


def _run(model_version: ModelVersion) -> dict[str, Any] | None:
    run = Run.objects.filter(model_version=model_version).order_by(F("wanted").desc(), "-id").first()
    if run is None:
        return None
    return {"id": run.pk, "mode": run.mode, "state": run.state, "num_examples": run.num_examples, "error": run.error}


def _live_statuses(addresses: set[str]) -> dict[str, StatusReply]:
    """What answers within `STATUS_TIMEOUT_S`; replicas are asked at the same time."""
    if not addresses:
        return {}
    with ThreadPoolExecutor(max_workers=min(8, len(addresses))) as pool:
        replies = pool.map(_ask_status, sorted(addresses))
        return {address: reply for address, reply in zip(sorted(addresses), replies, strict=True) if reply is not None}


def _ask_status(address: str) -> StatusReply | None:
    try:
        return replica_client(address).status(timeout_s=STATUS_TIMEOUT_S)
    except EngineError as error:
        logger.info("replica %s did not say where it stands: %s", address, error.message)
        return None


def _replica(
    position: ReplicaPosition, model_version: ModelVersion, sequence: int, is_alive: bool, live: StatusReply | None
) -> dict[str, Any]:
    status = _status_of(live, position, model_version)
    described = {
        "name": position.replica.name,
        "address": position.replica.address,
        "deployment": position.deployment.name,
        "is_alive": is_alive,
        "is_drained": position.replica.drained_at is not None,
        "acknowledged": position.sequence,
        "heartbeat_at": _iso(position.replica.heartbeat_at),
        "reported_at": _iso(position.reported_at),
        "event_time": _iso(position.event_time),
        **(_from_report(position) if status is None else _from_live(status)),
    }
    described["num_behind"] = max(0, sequence - described["sequence"])
    described["last_error"] = described["last_error"] or position.replica.last_error or None
    return described


def _status_of(live: StatusReply | None, position: ReplicaPosition, model_version: ModelVersion) -> ModelStatus | None:
    for deployment in live.deployments if live else ():
        if (deployment.project, deployment.name) != (model_version.model.project.slug, position.deployment.name):
            continue
        for model in deployment.models:
            if (model.name, model.version) == (model_version.model.name, model_version.version):
                return model
    return None


def _from_live(status: ModelStatus) -> dict[str, Any]:
    return {
        "source": "live",
        "sequence": status.sequence,
        "age_s": status.age_s,
        "events_through": {str(partition): offset for partition, offset in status.events_through.items()},
        "num_rows": status.num_rows,
        "num_rows_applied": status.num_rows_applied,
        "num_deletes_applied": status.num_deletes_applied,
        "num_bytes_applied": status.num_bytes_applied,
        "num_resyncs": status.num_resyncs,
        "digest": status.digest,
        "last_error": status.last_error,
    }


def _from_report(position: ReplicaPosition) -> dict[str, Any]:
    since_s = (timezone.now() - position.reported_at).total_seconds()
    return {
        "source": "report",
        "sequence": position.sequence,
        # A replica that fell silent grows older with every second.
        "age_s": None if position.age_s is None else position.age_s + max(0.0, since_s),
        "events_through": position.events_through,
        "num_rows": position.num_rows,
        "num_rows_applied": position.num_rows_applied,
        "num_deletes_applied": position.num_deletes_applied,
        "num_bytes_applied": position.num_bytes_applied,
        "num_resyncs": position.num_resyncs,
        "digest": position.digest,
        "last_error": position.last_error or None,
    }


def _iso(moment: Any) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment is not None else None
