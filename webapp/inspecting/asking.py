"""Questions that an inspection asks of a replica: for a user now, or a past request again. Nothing of it is logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.serving.requests import AsOf, EvaluateRequest, RecommendReply, RecommendRequest
from webapp.accounts.models import Project
from webapp.experiments.choosing import Chosen
from webapp.experiments.selectors import deployment_for
from webapp.inspecting.logged import Logged
from webapp.serving.asking_replicas import evaluated

SEED = 7


@dataclass(frozen=True)
class Tried:
    """`deployment` None: whom the experiment or the default names. `filter` beside the deployment's own."""

    user_id: str
    k: int = 10
    deployment: str | None = None
    filter: str = ""


def tried(*, project: Project, asked: Tried) -> tuple[Chosen, RecommendReply]:
    """Who answers this user now, and the explained answer. Raises `NotFound`, `ReplicaUnavailable`, `InvalidDocument`."""
    chosen = deployment_for(project=project, user_id=asked.user_id, name=asked.deployment)
    request = RecommendRequest(
        project=project.slug,
        deployment=chosen.deployment.name,
        user_id=asked.user_id,
        k=asked.k,
        filter=asked.filter or None,
        explain=True,
        seed=SEED,
        num_logged=0,
    )
    return chosen, evaluated(EvaluateRequest(request))


def rerun(*, project: Project, logged: Logged) -> RecommendReply:
    """The past request asked again: by the parameters, catalogue and counters of now, for the history, properties and time that were
    logged, under the document of then where its revision is still known. Raises `ReplicaUnavailable`, `InvalidDocument`."""
    served, event = logged.served, logged.event
    assert served is not None
    about = event.item_ids
    request = RecommendRequest(
        project=project.slug,
        deployment=served.deployment,
        user_id=event.user_id,
        k=max(1, len(about)),
        context=event.properties,
        explain=True,
        seed=SEED,
        num_logged=0,
    )
    features = event.features or {}
    as_of = AsOf(
        user=logged.user,
        history=tuple(features.get("history") or ()),
        history_types=_of_each(features, "history_types", ""),
        history_times_ms=_of_each(features, "history_times_ms", event.timestamp_ms),
        time_ms=features.get("time_ms") or event.timestamp_ms,
    )
    document = None if logged.revision is None else logged.revision.document
    return evaluated(EvaluateRequest(request, document=document, as_of=as_of, about=about))


def _of_each(features: Mapping[str, Any], name: str, missing: Any) -> tuple[Any, ...]:
    """One for each item of the history: impressions of before types and times were logged have none."""
    values, num = list(features.get(name) or ()), len(features.get("history") or ())
    return tuple(values[:num] + [missing] * (num - len(values)))
