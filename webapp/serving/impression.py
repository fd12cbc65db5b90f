"""What was answered, as an event of the log: built from bytes that the replica made, which nobody here takes apart."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import orjson

from engine.serving.requests import RecommendReply, RecommendRequest
from engine.spec.schema import EventRole, Schema
from engine.spec.served import SHADOW_TYPE, Served, ServedModel
from engine.streams.log import Record
from webapp.catalog.confirming import KEPT_TYPE
from webapp.experiments.choosing import Chosen

MAX_LOGGED_FILTER = 500
_NO_FEATURES = (b"", b"{}")


@dataclass(frozen=True, slots=True)
class ImpressionType:
    """The event type under which a schema wants impressions logged, and the properties that it declares for it."""

    name: str
    properties: frozenset[str]


def impression_type(schema: Schema) -> ImpressionType | None:
    """The first that is declared; None when none is, and nothing is logged."""
    for name, declared in schema.events.items():
        if declared.role is EventRole.IMPRESSION:
            return ImpressionType(name, frozenset(declared.properties))
    return None


def served_by(
    chosen: Chosen,
    reply: RecommendReply,
    shadow_of: str | None = None,
    num_logged: int | None = None,
    request: RecommendRequest | None = None,
) -> Served:
    """Of the first `num_logged` items; None: of all. What of `request` the event does not say otherwise is said."""
    shown = reply.items[:num_logged]
    return Served(
        deployment=chosen.deployment.name,
        revision=reply.revision or chosen.revision,
        sources=tuple([item.source for item in shown]),
        propensities=tuple([item.propensity for item in shown]),
        experiment=chosen.experiment,
        arm=chosen.arm,
        shadow_of=shadow_of,
        models=tuple([ServedModel(one.role, one.name, one.version, one.sequence, one.age_s) for one in reply.models]),
        degraded=reply.degraded,
        replica=reply.replica,
        asked=None if request is None else _asked(request),
    )


def _asked(request: RecommendRequest) -> dict[str, Any]:
    """Bounded: of long lists only how long they were, of an expression its beginning."""
    asked: dict[str, Any] = {"ask": request.ask.value, "k": request.k}
    if request.filter is not None:
        asked["filter"] = request.filter[:MAX_LOGGED_FILTER]
    if request.parameters:
        asked["parameters"] = sorted(request.parameters)
    if request.item_id:
        asked["item_id"] = request.item_id
    for name, num in (
        ("num_excluded", len(request.exclude)),
        ("num_candidates", len(request.candidates)),
        ("num_session", len(request.session)),
        ("num_shown_before", len(request.shown)),
    ):
        if num:
            asked[name] = num
    if request.overrides is not None:
        asked["has_overrides"] = True
    if request.user_properties is not None:
        asked["has_user_properties"] = True
    return asked


def impression_record(
    declared: ImpressionType,
    request: RecommendRequest,
    reply: RecommendReply,
    *,
    served: Served,
    recommendation_id: str,
    now_ms: int,
) -> Record:
    """An event of the schema's impression type: what `engine.spec.event.Event.from_bytes` reads."""
    properties = {name: value for name, value in request.context.items() if name in declared.properties}
    head = {"type": declared.name, "role": EventRole.IMPRESSION, "properties": properties}
    return _record(head, request, reply, served=served, recommendation_id=recommendation_id, now_ms=now_ms)


def shadow_record(
    request: RecommendRequest, reply: RecommendReply, *, served: Served, recommendation_id: str, now_ms: int
) -> Record:
    """An answer that nobody saw, as an event of role `other`; `recommendation_id` is its own."""
    head = {"type": SHADOW_TYPE, "role": EventRole.OTHER, "properties": {}}
    return _record(head, request, reply, served=served, recommendation_id=recommendation_id, now_ms=now_ms)


def kept_record(
    request: RecommendRequest, reply: RecommendReply, *, served: Served, recommendation_id: str, now_ms: int
) -> Record:
    """What was answered, kept until the client says what of it was shown (`webapp.catalog.confirming`)."""
    head = {"type": KEPT_TYPE, "role": EventRole.OTHER, "properties": {}}
    return _record(head, request, reply, served=served, recommendation_id=recommendation_id, now_ms=now_ms)


def _record(
    head: dict[str, Any],
    request: RecommendRequest,
    reply: RecommendReply,
    *,
    served: Served,
    recommendation_id: str,
    now_ms: int,
) -> Record:
    shown = [
        {"item_id": item.item_id, "position": place, "score": item.score}
        for place, item in enumerate(reply.items[: request.num_logged])
    ]
    # the fields of Event
    value = {
        "event_id": uuid.uuid4().hex,
        **head,
        "user_id": request.user_id,
        "item_id": None,
        "timestamp_ms": now_ms,
        "received_ms": now_ms,
        "recommendation_id": recommendation_id,
        "items": shown,
        "features": None if reply.features_json in _NO_FEATURES else orjson.Fragment(reply.features_json),
        "served": served,
    }
    return Record(request.user_id, orjson.dumps(value), now_ms)
