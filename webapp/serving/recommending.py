"""One recommendation from request to answer: pick the deployment, ask a replica, log the impression."""

from __future__ import annotations

import itertools
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import InterfaceError, OperationalError

from engine.errors import LogError, ReplicaUnavailable
from engine.serving.requests import RecommendReply, RecommendRequest, ScoredItem
from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole, Property, Schema
from engine.spec.validation import PropertyValidator
from webapp.accounts.models import Project
from webapp.catalog.selectors import item_properties, recent_events
from webapp.catalog.services import impression_log
from webapp.core.clock import wall_ms
from webapp.experiments.selectors import deployment_for
from webapp.registry.selectors import schema_document
from webapp.serving.clients import replica_client
from webapp.serving.lately import SOURCE, LatelyAnswered
from webapp.serving.models import Deployment
from webapp.serving.selectors import replica_addresses

logger = logging.getLogger(__name__)

NUM_TRIES = 2
DEGRADED_WITHOUT_REPLICA = "no_replica"
NUM_RECALLED_EVENTS = 200

_turns = itertools.count()
lately = LatelyAnswered()


def recommend(
    *,
    project: Project,
    user_id: str,
    k: int,
    context: Mapping[str, Any],
    exclude: Sequence[str],
    candidates: Sequence[str] = (),
    deployment_name: str | None = None,
    clock_ms: Callable[[], int] = wall_ms,
) -> dict[str, Any]:
    """The `k` best items for a user, as `POST /recommend` answers them; the answer is logged as an impression.

    `context` holds event properties known now, and is checked against the schema's. Raises `InvalidDocument` for it,
    `NotFound` when nothing is deployed, `ReplicaUnavailable` when two replicas (or the only one) did not answer and nothing was
    answered lately that could be answered again.
    """
    schema = schema_document(project=project)
    known_now = _context(schema, context)
    deployment = deployment_for(project=project, user_id=user_id, name=deployment_name).deployment
    request = RecommendRequest(
        project=project.slug,
        deployment=deployment.name,
        user_id=user_id,
        k=k,
        context=known_now,
        exclude=tuple(exclude),
        candidates=tuple(candidates),
    )
    reply = _ask_or_recall(project, request)
    recommendation_id = uuid.uuid4().hex
    degraded = reply.degraded
    now_ms = clock_ms()
    impression = _impression(request, reply, schema, recommendation_id, now_ms)
    if impression is not None and not _log(project, impression):
        degraded = ", ".join(reason for reason in (degraded, "impression_not_logged") if reason)
    return _answer(recommendation_id, deployment, reply, degraded)


def _context(schema: Schema, context: Mapping[str, Any]) -> dict[str, Any]:
    declared: dict[str, Property] = {}
    for event_type in schema.events.values():
        declared |= event_type.properties
    checked = PropertyValidator(declared, "context").validate(dict(context), partial=True)
    return {name: value for name, value in checked.items() if value is not None}


def _ask_or_recall(project: Project, request: RecommendRequest) -> RecommendReply:
    """A replica's answer; while there is none, what this process answered most often lately, which says so in `degraded`."""
    key = (project.pk, request.deployment)
    started = time.monotonic()
    try:
        reply = _ask(request)
    except ReplicaUnavailable as error:
        if not lately.knows(key):
            _recall_from_log(project, key)
        recalled = lately.best(key, request.k, exclude=request.exclude, candidates=request.candidates)
        items = [ScoredItem(item_id, share, SOURCE) for item_id, share in _existing(project, recalled)]
        if not items:
            raise
        logger.warning("%s; answering what was answered lately", error.message)
        took_ms = round(1000 * (time.monotonic() - started), 3)
        return RecommendReply(items, [], DEGRADED_WITHOUT_REPLICA, b"", took_ms, replica="")
    if not request.candidates:
        lately.note(key, [item.item_id for item in reply.items])
    return reply


def _recall_from_log(project: Project, key: tuple[int, str]) -> None:
    """A process that has only just begun has answered nothing: the newest impressions say what others answered."""
    try:
        newest = recent_events(project=project, limit=NUM_RECALLED_EVENTS)
    except (LogError, OperationalError, InterfaceError) as error:
        logger.warning("the newest events of %s cannot be read: %s", project.slug, error)
        return
    for event in reversed(newest):
        if event.items:
            lately.note(key, [shown.item_id for shown in event.items])


def _existing(project: Project, items: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Without those that were deleted since, as far as PostgreSQL can be asked."""
    try:
        known = item_properties(project=project, item_ids=[item_id for item_id, _ in items])
    except (OperationalError, InterfaceError) as error:
        logger.warning("PostgreSQL does not answer (%s); answering items that may have been deleted", error)
        return list(items)
    return [item for item in items if item[0] in known]


def _ask(request: RecommendRequest) -> RecommendReply:
    """Replicas take turns; one that does not answer is passed over for the next, once."""
    addresses = replica_addresses()
    if not addresses:
        raise ReplicaUnavailable("No replica is alive.")
    start = next(_turns)
    tries = min(NUM_TRIES, len(addresses))
    for attempt in range(tries):
        address = addresses[(start + attempt) % len(addresses)]
        try:
            return replica_client(address).recommend(request)
        except ReplicaUnavailable as error:
            if attempt + 1 == tries:
                raise
            logger.warning("%s; trying another replica", error.message)
    raise AssertionError("the loop above answers or raises")


def _impression(
    request: RecommendRequest, reply: RecommendReply, schema: Schema, recommendation_id: str, now_ms: int
) -> Event | None:
    """What was shown, as an event of the schema's first impression type; None when it declares none, or nothing was shown."""
    types = [name for name, declared in schema.events.items() if declared.role is EventRole.IMPRESSION]
    if not types or not reply.items:
        return None
    declared = schema.events[types[0]].properties
    return Event(
        event_id=uuid.uuid4().hex,
        type=types[0],
        role=EventRole.IMPRESSION,
        user_id=request.user_id,
        item_id=None,
        timestamp_ms=now_ms,
        received_ms=now_ms,
        recommendation_id=recommendation_id,
        items=tuple(ShownItem(item.item_id, place, item.score) for place, item in enumerate(reply.items)),
        properties={name: value for name, value in request.context.items() if name in declared},
        features=reply.features or None,
    )


def _log(project: Project, impression: Event) -> bool:
    """False when the log did not take it: the answer is still good, but nothing will be learned from it."""
    try:
        impression_log(project=project, event=impression)
    except LogError as error:
        logger.warning("an impression of %s was not logged: %s", project.slug, error.message)
        return False
    return True


def _answer(
    recommendation_id: str, deployment: Deployment, reply: RecommendReply, degraded: str | None
) -> dict[str, Any]:
    return {
        "recommendation_id": recommendation_id,
        "items": [{"item_id": item.item_id, "score": item.score, "source": item.source} for item in reply.items],
        "deployment": deployment.name,
        "models": [
            {
                "role": model.role,
                "name": model.name,
                "version": model.version,
                "sequence": model.sequence,
                "age_s": model.age_s,
                "events_through": {str(partition): offset for partition, offset in model.events_through.items()},
                "event_time": _time(model.trained_through_event_time_ms),
            }
            for model in reply.models
        ],
        "degraded": degraded,
        "replica": reply.replica,
        "took_ms": reply.took_ms,
    }


def _time(event_time_ms: int) -> str | None:
    """RFC 3339; None for the 0 of a model that has seen no example."""
    if not event_time_ms:
        return None
    return datetime.fromtimestamp(event_time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
