"""Gorse's recommendations."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from engine.serving.requests import MAX_K, Ask, SessionEvent
from engine.spec.document import shorten
from engine.spec.values import BrokenRule, check_timestamp
from webapp.accounts.authentication import project_of
from webapp.accounts.models import Project, Scope
from webapp.catalog.models import Item
from webapp.compat.gorse.documents import event_row, rows_of
from webapp.compat.gorse.feedback_api import ingest
from webapp.compat.gorse.views import DEFAULT_N, MAX_N, GorseView, NotSupported, whole_number
from webapp.compat.measured_call import MeasuredCall
from webapp.core.clock import wall_ms
from webapp.core.errors import Invalid
from webapp.core.selectors import server_checks
from webapp.serving.asked import Asked
from webapp.serving.requests_parts import MAX_SESSION_EVENTS

RECOMMENDS = (Scope.RECOMMEND,)
CATEGORY_FILTER = "item.categories has $category"
DEGRADED_HEADER = "X-Freshet-Degraded"


class ItemsView(MeasuredCall, GorseView):
    def items(self, request: Request, asked: Asked, category: str = "") -> tuple[list[dict[str, Any]], str | None]:
        """`[{"Id", "Score"}]`, and why it is less than it should be."""
        num, offset = _window(request)
        if num == 0:
            return [], None
        asked = replace(asked, k=num + offset)
        if category:
            asked = replace(asked, filter=CATEGORY_FILTER, parameters={"category": category})
        found = self.asked(request, asked)
        items = [{"Id": item["item_id"], "Score": item["score"]} for item in found["items"][offset:]]
        return items, found["degraded"]


class RecommendView(ItemsView):
    """`n` items from the `offset`-th on, of a category. Pages by offset repeat items while the model learns; our `next` does not."""

    scopes = {"GET": RECOMMENDS}

    def get(self, request: Request, user_id: str, category: str = "") -> Response:
        project = project_of(request)
        category = category or request.query_params.get("category", "")
        items, degraded = self.items(request, Asked(user_id=user_id), category)
        if kind := request.query_params.get("write-back-type"):
            _write_back(request, project, user_id, kind, items)
        is_scored = request.headers.get("X-API-Version") == "2"
        return _said(items if is_scored else [item["Id"] for item in items], degraded)


class SessionView(ItemsView):
    """The list of feedbacks is what an unknown user did, in the order of their times."""

    scopes = {"POST": RECOMMENDS}

    def post(self, request: Request) -> Response:
        documents = rows_of(request.data, "feedback")
        if len(documents) > MAX_SESSION_EVENTS:
            raise Invalid.field("feedback", f"must hold at most {MAX_SESSION_EVENTS}", f"{len(documents)}")
        session = sorted((_session_event(one, wall_ms()) for one in documents), key=lambda event: event.timestamp_ms)
        return _said(*self.items(request, Asked(session=tuple(session))))


class NeighborsView(ItemsView):
    """Items like an item: by what goes together, and by the retrieval model's vectors."""

    ask = Ask.SIMILAR

    scopes = {"GET": RECOMMENDS}

    def get(self, request: Request, item_id: str, category: str = "") -> Response:
        return _said(*self.items(request, Asked(ask=Ask.SIMILAR, item_id=item_id), category))


class LatestView(GorseView):
    """The newest items by when they were first written, which is the order of their keys."""

    scopes = {"GET": (Scope.RECOMMEND,)}

    def get(self, request: Request, category: str = "") -> Response:
        num, offset = _window(request)
        found = Item.objects.filter(project=project_of(request), hidden=False).order_by("-pk")
        if category := category or request.query_params.get("category", ""):
            found = found.filter(properties__categories__contains=[category])
        newest = found.values_list("external_id", "created_at")[offset : offset + num]
        return Response([{"Id": item_id, "Score": created_at.timestamp()} for item_id, created_at in newest])


class HealthView(GorseView):
    """Without a key, as there."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = []

    def get(self, request: Request) -> Response | HttpResponse:  # noqa: ARG002
        checks = {check.name: check.problem for check in server_checks()}
        problem = "; ".join(problem for problem in checks.values() if problem)
        body = {
            "Ready": not problem,
            "DataStoreConnected": not problem,
            "DataStoreError": problem,
            "CacheStoreConnected": not problem,
            "CacheStoreError": problem,
        }
        return Response(body, status=503 if problem else 200)


def _said(items: list[Any], degraded: str | None) -> Response:
    """Gorse's list has no room for a word on a fallback, so a header has it."""
    return Response(items, headers={DEGRADED_HEADER: degraded} if degraded else None)


def _window(request: Request) -> tuple[int, int]:
    num = whole_number(request.query_params, "n", DEFAULT_N, most=MAX_N)
    offset = whole_number(request.query_params, "offset", 0, most=MAX_N)
    if num + offset > MAX_K:
        raise Invalid.field("offset", f"n and offset together must be at most {MAX_K}", str(num + offset))
    return num, offset


def _write_back(request: Request, project: Project, user_id: str, kind: str, items: list[dict[str, Any]]) -> None:
    """What was answered counts as feedback at once. Gorse can say later; an event that has not happened yet is none here."""
    if request.query_params.get("write-back-delay") not in (None, "", "0", "0s", "0m"):
        raise NotSupported("write-back-delay is not supported: send the feedback when it happens")
    now_s = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    rows = ({"FeedbackType": kind, "UserId": user_id, "ItemId": item["Id"], "Timestamp": now_s} for item in items)
    ingest(project, list(rows))


def _session_event(document: object, now_ms: int) -> SessionEvent:
    row = event_row(document, takes_value=True)
    if not isinstance(row["type"], str):
        raise Invalid.field("FeedbackType", "must be a text", shorten(row["type"]))
    return SessionEvent(row["type"], row["item_id"], _time_ms(row.get("timestamp"), now_ms))


def _time_ms(timestamp: object, now_ms: int) -> int:
    if timestamp is None:
        return now_ms
    try:
        return check_timestamp(timestamp)
    except BrokenRule as broken:
        raise Invalid.field("Timestamp", str(broken), shorten(timestamp)) from None
