"""The inbox over REST: refused events, their reasons, replay and discard."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from engine.streams import topics
from webapp.accounts.authentication import project_of
from webapp.accounts.models import Project, Scope
from webapp.catalog import inbox_selectors as selectors
from webapp.catalog import inbox_services as services
from webapp.catalog.inbox_models import DeadEvent
from webapp.catalog.inbox_selectors import Selection
from webapp.catalog.inbox_serializers import (
    DeadEventAnswer,
    DeadEventsAnswer,
    DeadEventsQuery,
    DeadReasonsAnswer,
    DiscardAnswer,
    ReplayAnswer,
    SelectionBody,
)
from webapp.catalog.inbox_taking import inbox_limit
from webapp.core.api import ApiView, ErrorBody
from webapp.core.errors import Invalid
from webapp.core.fields import read

READS = (Scope.INGEST, Scope.MANAGE)
MANAGES = (Scope.MANAGE,)


class DeadEventsView(ApiView):
    scopes = {"GET": READS}

    @extend_schema(
        operation_id="dead_events_list",
        summary="List dead events",
        description="Records that others wrote to the `events` topic themselves and that are no events by the schema, newest first.",
        tags=["inbox"],
        parameters=[DeadEventsQuery],
        responses={200: DeadEventsAnswer, 400: ErrorBody},
    )
    def get(self, request: Request) -> Response:
        project, query = project_of(request), read(DeadEventsQuery, request.query_params.dict())
        selection = Selection(reason=query["reason"], field=query["field"])
        page = selectors.dead_events_page(
            project=project, selection=selection, cursor=query["cursor"], limit=query["limit"]
        )
        rows = [_dead_event(project, row) for row in page.rows]
        return Response({"dead_events": rows, "next_cursor": page.next_cursor})


class DeadEventView(ApiView):
    scopes = {"GET": READS}

    @extend_schema(
        operation_id="dead_event_get",
        summary="Read a dead event",
        tags=["inbox"],
        responses={200: DeadEventAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, dead_event_id: int) -> Response:
        project = project_of(request)
        return Response(_dead_event(project, selectors.dead_event_get(project=project, dead_event_id=dead_event_id)))


class DeadReasonsView(ApiView):
    scopes = {"GET": READS}

    @extend_schema(
        operation_id="dead_events_reasons",
        summary="Count dead events by reason and field",
        tags=["inbox"],
        responses={200: DeadReasonsAnswer},
    )
    def get(self, request: Request) -> Response:
        state = selectors.inbox_state(project=project_of(request))
        reasons = [
            {
                "reason": group.reason,
                "field": group.field,
                "kept": group.num_kept,
                "counted": group.num_counted,
                "first_at": group.first_at,
                "last_at": group.last_at,
            }
            for group in state.groups
        ]
        return Response({"reasons": reasons, "limit": inbox_limit(), "flooded_at": state.flooded_at})


class DeadEventsReplayView(ApiView):
    scopes = {"POST": MANAGES}

    @extend_schema(
        operation_id="dead_events_replay",
        summary="Judge dead events again",
        description="By the newest schema. Those that pass are appended to `events`, durably before the answer; the others stay, with "
        "the reason of now. Should a request fail half way (503), sending it again goes on where it stopped.",
        tags=["inbox"],
        request=SelectionBody,
        responses={200: ReplayAnswer, 400: ErrorBody, 503: ErrorBody},
    )
    def post(self, request: Request) -> Response:
        done = services.dead_events_replay(project=project_of(request), selection=_selection(request.data))
        return Response({"replayed": done.num_replayed, "repeated": done.num_repeated, "refused": done.num_refused})


class DeadEventsDiscardView(ApiView):
    scopes = {"POST": MANAGES}

    @extend_schema(
        operation_id="dead_events_discard",
        summary="Discard dead events",
        tags=["inbox"],
        request=SelectionBody,
        responses={200: DiscardAnswer, 400: ErrorBody},
    )
    def post(self, request: Request) -> Response:
        selection = _selection(request.data)
        return Response({"discarded": services.dead_events_discard(project=project_of(request), selection=selection)})


def _selection(data: Any) -> Selection:
    """Raises `Invalid` unless the body says in exactly one way which events are meant."""
    body = read(SelectionBody, data)
    said = [name for name in ("ids", "reason", "all") if body[name]]
    if len(said) != 1:
        received = ", ".join(said) or "none of them"
        raise Invalid.field("(document)", "must have exactly one of ids, reason and all", received)
    if body["field"] is not None and body["reason"] is None:
        raise Invalid.field("reason", "is required with field", "nothing")
    return Selection(ids=tuple(body["ids"]), reason=body["reason"], field=body["field"])


def _dead_event(project: Project, row: DeadEvent) -> dict[str, Any]:
    names = (
        "id", "partition", "offset", "key", "reason", "field", "rule", "received", "problems", "value", "value_bytes",
        "is_whole", "timestamp_ms", "buried_at", "replayed_at",
    )  # fmt: skip
    return {"topic": topics.events(project.slug)} | {name: getattr(row, name) for name in names}
