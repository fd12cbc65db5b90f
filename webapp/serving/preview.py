"""A draft of a deployment's document, tried on one user: the answer under it beside the answer under what is served. Nothing is saved
and nothing is logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import EngineError, InvalidDocument
from engine.serving.requests import EvaluateRequest, RecommendReply, RecommendRequest, SessionEvent
from engine.spec.schema import EventRole, Schema
from webapp.catalog.selectors import item_properties
from webapp.registry.selectors import schema_document
from webapp.serving.asking_replicas import evaluated
from webapp.serving.deployment_checking import document_checked
from webapp.serving.expression_reports import Report, expression_reports
from webapp.serving.models import Deployment
from webapp.serving.preview_comparing import Comparison, compared, unexplained

SEED = 7
"""What exploration draws is drawn alike for both answers, so that what differs is the document."""

MAX_SHOWN = 50
MAX_SESSION = 20


@dataclass(frozen=True)
class Whom:
    """Who asks: a user, or nobody ("") who has just looked at the items of `session`."""

    user_id: str = ""
    session: tuple[str, ...] = ()
    k: int = 10


@dataclass(frozen=True)
class Preview:
    """`problems` are the draft's own, then nothing is compared; `refused` says why no replica answered. `properties` by item id."""

    whom: Whom
    problems: Sequence[Mapping[str, str]]
    reports: Sequence[Report]
    comparison: Comparison | None = None
    now: RecommendReply | None = None
    draft: RecommendReply | None = None
    refused: str = ""
    notes: Sequence[str] = ()
    properties: Mapping[str, Mapping[str, Any]] | None = None


def preview_of(*, deployment: Deployment, document: Mapping[str, Any], whom: Whom, now_ms: int) -> Preview:
    """Tried on a living replica. A draft that breaks rules, or a replica that is away, is part of the preview and raises nothing."""
    schema = schema_document(project=deployment.project)
    reports = expression_reports(deployment=deployment, schema=schema, document=document, user_id=whom.user_id)
    try:
        draft = document_checked(document, schema=schema, retrieval=deployment.retrieval, ranking=deployment.ranking)
    except InvalidDocument as error:
        return Preview(whom, [one.as_dict() for one in error.problems], reports)
    request = _request(deployment, schema, whom, now_ms)
    try:
        before, after = _both(request, draft.as_json())
    except InvalidDocument as error:
        return Preview(whom, [one.as_dict() for one in error.problems], reports)
    except EngineError as error:
        return Preview(whom, (), reports, refused=error.message)
    item_ids = {item.item_id for reply in (before, after) for item in reply.items}
    return Preview(
        whom,
        (),
        reports,
        compared(before, after),
        before,
        after,
        notes=_notes(deployment, schema, draft.seen.event_types or ()),
        properties=item_properties(project=deployment.project, item_ids=item_ids),
    )


def _both(request: RecommendRequest, draft: Mapping[str, Any]) -> tuple[RecommendReply, RecommendReply]:
    """Each with why it does not have what the other has."""
    after = evaluated(EvaluateRequest(request, document=draft))
    about = tuple(item.item_id for item in after.items)
    before = evaluated(EvaluateRequest(request, about=about))
    missing = unexplained(after, before)
    if missing:
        after = evaluated(EvaluateRequest(request, document=draft, about=tuple(missing)))
    return before, after


def _request(deployment: Deployment, schema: Schema, whom: Whom, now_ms: int) -> RecommendRequest:
    action = next((name for name, declared in schema.events.items() if declared.role is EventRole.ACTION), None)
    session = tuple(SessionEvent(action, item_id, now_ms) for item_id in whom.session) if action else ()
    asked = RecommendRequest(
        project=deployment.project.slug,
        deployment=deployment.name,
        user_id=whom.user_id,
        k=whom.k,
        session=session,
        explain=True,
        seed=SEED,
    )
    return replace(asked, num_logged=0)


def _notes(deployment: Deployment, schema: Schema, seen_types: Sequence[str]) -> list[str]:
    """Where the preview cannot be what saving would bring."""
    served = deployment.document.get("seen") or {}
    new = [
        name
        for name in seen_types
        if schema.role_of(name) is not EventRole.ACTION and name not in (served.get("event_types") or ())
    ]
    if not new:
        return []
    return [
        f"Replicas keep who had {', '.join(new)} only once this is saved; until then none counts as seen by it here."
    ]
