"""Gorse's feedback: our events."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from engine.spec.event import Event
from webapp.accounts.authentication import project_of
from webapp.accounts.models import Project, Scope
from webapp.catalog.selectors import recent_events
from webapp.catalog.services import events_ingest
from webapp.compat.gorse.documents import event_row, feedback_document, rows_of
from webapp.compat.gorse.views import GorseView, NotSupported
from webapp.core.errors import Invalid, TooLarge
from webapp.registry.selectors import schema_document

NUM_LOOKED_AT = 10_000
"""A user's feedback is looked for among so many of the project's newest events."""


class FeedbackView(GorseView):
    """POST and PUT alike: what was sent before is not sent again, and nothing is summed."""

    scopes = {"GET": (Scope.RECOMMEND,), "POST": (Scope.INGEST,), "PUT": (Scope.INGEST,)}

    def get(self, request: Request) -> Response:  # noqa: ARG002
        raise NotSupported("Feedback of everybody cannot be listed: ask for a user's, or read the topic of events.")

    def post(self, request: Request) -> Response:
        return Response({"RowAffected": ingest(project_of(request), rows_of(request.data, "feedback"))})

    put = post


class UserFeedbackView(GorseView):
    """A user's newest feedback, of one type or of all."""

    scopes = {"GET": (Scope.RECOMMEND, Scope.INGEST)}

    def get(self, request: Request, user_id: str, feedback_type: str = "") -> Response:
        newest = recent_events(project=project_of(request), limit=NUM_LOOKED_AT)
        found = (event for event in newest if event.user_id == user_id and event.item_id is not None)
        of_type = [event for event in found if feedback_type in ("", event.type)]
        return Response([feedback_document(event, time_text(event)) for event in of_type])


def ingest(project: Project, documents: Sequence[object]) -> int:
    """How many were new. Raises `Invalid` when one is refused, after the others are taken."""
    if len(documents) > settings.MAX_EVENTS_PER_REQUEST:
        raise TooLarge(f"A call may hold {settings.MAX_EVENTS_PER_REQUEST} feedbacks; {len(documents)} were sent.")
    declared = schema_document(project=project).events
    rows = []
    for document in documents:
        kind = document.get("FeedbackType") if isinstance(document, dict) else None
        takes_value = isinstance(kind, str) and kind in declared and "value" in declared[kind].properties
        row = event_row(document, takes_value=takes_value)
        rows.append(row | {"event_id": _event_id(row)})
    report = events_ingest(project=project, rows=rows, source="gorse")
    if report.num_rejected:
        problems = [
            {**problem.as_dict(), "field": f"feedback {result.index}: {problem.field}"}
            for result in report.results
            for problem in result.problems
        ]
        raise Invalid(f"{report.num_rejected} of {len(rows)} were refused; the others are taken", problems=problems)
    return report.num_accepted


def time_text(event: Event) -> str:
    """RFC 3339, UTC."""
    moment = datetime.fromtimestamp(event.timestamp_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event_id(row: dict[str, Any]) -> str:
    return "gorse-" + hashlib.blake2b(orjson.dumps(row, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
