"""Who answers for a deployment: each replica with the parameters that it last said it answers with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.serving.models import Deployment, ReplicaPosition
from webapp.serving.selectors import replicas_alive


@dataclass(frozen=True)
class Answering:
    """`positions` of replicas that live, by replica and model; `num_gone` others were heard of and are silent."""

    positions: Sequence[ReplicaPosition]
    num_alive: int
    num_gone: int
    oldest_age_s: float | None


def answering_of(*, deployment: Deployment) -> Answering:
    """By the replicas' last reports. A deployment without models is answered by every living replica."""
    alive = {replica.pk for replica in replicas_alive()}
    known = ReplicaPosition.objects.filter(deployment=deployment).select_related("replica", "model_version__model")
    positions = list(known.order_by("replica__name", "model_version__model__name"))
    living = [one for one in positions if one.replica_id in alive]
    replicas = {one.replica_id for one in living} if deployment.retrieval_id or deployment.ranking_id else alive
    ages = [one.age_s for one in living if one.age_s is not None]
    gone = {one.replica_id for one in positions} - alive
    return Answering(living, len(replicas), len(gone), max(ages, default=None))
