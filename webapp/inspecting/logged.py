"""What the log says of a recommendation: the truth of then, whatever models and catalogue are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.spec.event import Event
from engine.spec.served import Served
from webapp.accounts.models import Project
from webapp.inspecting.finding import Followed, Found
from webapp.serving.models import Deployment, DeploymentRevision
from webapp.training.models import Publish


@dataclass(frozen=True)
class LoggedItem:
    """One item as it was shown. `counters` and `properties` are those that were logged with it."""

    place: int
    item_id: str
    score: float | None
    source: str
    propensity: float | None
    properties: Mapping[str, Any]
    counters: Mapping[str, float]
    followed: Sequence[Followed]


@dataclass(frozen=True)
class LoggedModel:
    """`sequence` and `age_s` are those of the answer; None where only `published` is known: the newest sequence published by then."""

    role: str
    name: str
    version: int
    sequence: int | None
    age_s: float | None
    published: int | None = None


@dataclass(frozen=True)
class Logged:
    """`revision` is None when it is gone. `asked` are (what, how much) of the request."""

    event: Event
    served: Served | None
    at: datetime
    revision: DeploymentRevision | None
    is_current: bool
    models: Sequence[LoggedModel]
    models_are_exact: bool
    items: Sequence[LoggedItem]
    history: Sequence[tuple[str, str, datetime | None]]
    user: Mapping[str, Any]
    asked: Mapping[str, Any]
    features_time: datetime | None


def logged_of(*, project: Project, found: Found) -> Logged:
    """Everything that stands in the impression, and which models and document its revision had."""
    event, served = found.event, found.event.served
    features = event.features or {}
    revision = None if served is None else _revision(project, served)
    current = None if served is None else Deployment.objects.filter(project=project, name=served.deployment).first()
    exact = served is not None and bool(served.models)
    time_ms = features.get("time_ms")
    return Logged(
        event=event,
        served=served,
        at=_time(event.received_ms),
        revision=revision,
        is_current=served is not None and current is not None and current.revision == served.revision,
        models=_models(served, revision, event.received_ms),
        models_are_exact=exact,
        items=_items(event, served, features, found.followed),
        history=_history(features),
        user=features.get("user") or {},
        asked=(served.asked or {}) if served is not None else {},
        features_time=None if time_ms is None else _time(time_ms),
    )


def _revision(project: Project, served: Served) -> DeploymentRevision | None:
    known = DeploymentRevision.objects.filter(
        deployment__project=project, deployment__name=served.deployment, number=served.revision
    )
    return known.select_related("deployment", "retrieval__model", "ranking__model").first()


def _models(served: Served | None, revision: DeploymentRevision | None, shown_ms: int) -> list[LoggedModel]:
    if served is not None and served.models:
        return [LoggedModel(one.role, one.name, one.version, one.sequence, one.age_s) for one in served.models]
    if revision is None:
        return []
    roles = (("retrieval", revision.retrieval), ("ranking", revision.ranking))
    return [
        LoggedModel(role, version.model.name, version.version, None, None, _published_by(version.pk, shown_ms))
        for role, version in roles
        if version is not None
    ]


def _published_by(model_version_id: int, shown_ms: int) -> int | None:
    before = Publish.objects.filter(model_version=model_version_id, published_at__lte=_time(shown_ms))
    return before.order_by("-id").values_list("sequence", flat=True).first()


def _items(
    event: Event, served: Served | None, features: Mapping[str, Any], followed: Sequence[Followed]
) -> list[LoggedItem]:
    properties, counters = features.get("items") or {}, features.get("counters") or {}
    sources = served.sources if served is not None else ()
    propensities = served.propensities if served is not None else ()
    items = []
    for place, shown in enumerate(event.items or ()):
        items.append(
            LoggedItem(
                place=place + 1,
                item_id=shown.item_id,
                score=shown.score,
                source=sources[place] if place < len(sources) else "",
                propensity=propensities[place] if place < len(propensities) else None,
                properties={
                    name: value for name, value in (properties.get(shown.item_id) or {}).items() if value is not None
                },
                counters=counters.get(shown.item_id) or {},
                followed=[one for one in followed if one.item_id == shown.item_id],
            )
        )
    return items


def _history(features: Mapping[str, Any]) -> list[tuple[str, str, datetime | None]]:
    """(item, event type, when), newest first."""
    ids = list(features.get("history") or ())
    types = list(features.get("history_types") or ())
    times = list(features.get("history_times_ms") or ())
    return [
        (
            item_id,
            types[number] if number < len(types) else "",
            _time(times[number]) if number < len(times) else None,
        )
        for number, item_id in reversed(list(enumerate(ids)))
    ]


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
