"""Gorse's users and items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.catalog import selectors, services
from webapp.compat.gorse.documents import (
    item_document,
    item_patch,
    item_row,
    rows_of,
    user_document,
    user_patch,
    user_row,
)
from webapp.compat.gorse.views import DEFAULT_N, GorseView, whole_number
from webapp.core.errors import Invalid, TooLarge
from webapp.core.paging import MAX_PAGE
from webapp.erasure.services import erasure_order

READS = (Scope.RECOMMEND, Scope.INGEST)
WRITES = (Scope.INGEST,)


class ItemView(GorseView):
    """POST of one item."""

    scopes = {"POST": WRITES}

    def post(self, request: Request) -> Response:
        return Response(_put(services.items_put, project_of(request), [item_row(request.data)]))


class ItemsView(GorseView):
    """Many at once, pages by cursor, and a search by a part of the id."""

    scopes = {"GET": READS, "POST": WRITES}

    def get(self, request: Request) -> Response:
        page = selectors.items_page(project=project_of(request), **_page(request))
        found = [item_document(item, hidden=item.hidden) for item in page.rows]
        return Response({"Cursor": page.next_cursor or "", "Items": found})

    def post(self, request: Request) -> Response:
        rows = [item_row(one) for one in _bounded(rows_of(request.data, "items"))]
        return Response(_put(services.items_put, project_of(request), rows))


class OneItemView(GorseView):
    scopes = {"GET": READS, "PATCH": WRITES, "DELETE": WRITES}

    def get(self, request: Request, item_id: str) -> Response:
        item = selectors.item_get(project=project_of(request), item_id=item_id)
        return Response(item_document(item, hidden=item.hidden))

    def patch(self, request: Request, item_id: str) -> Response:
        properties, hidden = item_patch(request.data)
        services.item_patch(project=project_of(request), item_id=item_id, properties=properties, hidden=hidden)
        return Response({"RowAffected": 1})

    def delete(self, request: Request, item_id: str) -> Response:
        erasure_order(project=project_of(request), kind="item", entity_id=item_id)
        return Response({"RowAffected": 1})


class UserView(GorseView):
    """POST of one user."""

    scopes = {"POST": WRITES}

    def post(self, request: Request) -> Response:
        return Response(_put(services.users_put, project_of(request), [user_row(request.data)]))


class UsersView(GorseView):
    scopes = {"GET": READS, "POST": WRITES}

    def get(self, request: Request) -> Response:
        page = selectors.users_page(project=project_of(request), **_page(request))
        return Response({"Cursor": page.next_cursor or "", "Users": [user_document(user) for user in page.rows]})

    def post(self, request: Request) -> Response:
        rows = [user_row(one) for one in _bounded(rows_of(request.data, "users"))]
        return Response(_put(services.users_put, project_of(request), rows))


class OneUserView(GorseView):
    scopes = {"GET": READS, "PATCH": WRITES, "DELETE": WRITES}

    def get(self, request: Request, user_id: str) -> Response:
        return Response(user_document(selectors.user_get(project=project_of(request), user_id=user_id)))

    def patch(self, request: Request, user_id: str) -> Response:
        properties = user_patch(request.data)
        services.user_patch(project=project_of(request), user_id=user_id, properties=properties)
        return Response({"RowAffected": 1})

    def delete(self, request: Request, user_id: str) -> Response:
        erasure_order(project=project_of(request), kind="user", entity_id=user_id)
        return Response({"RowAffected": 1})


def _put(put: Callable[..., services.PutReport], project: Any, rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Gorse's answer has no room for rows that were refused: one refused refuses the call, in words, after the others are written."""
    report = put(project=project, rows=rows)
    if report.num_rejected:
        problems = [
            {**problem.as_dict(), "field": f"{result.id}: {problem.field}"}
            for result in report.results
            for problem in result.problems
        ]
        raise Invalid(f"{report.num_rejected} of {len(rows)} were refused; the others are written", problems=problems)
    return {"RowAffected": report.num_written}


def _bounded(rows: Sequence[object]) -> Sequence[object]:
    if len(rows) > settings.MAX_EVENTS_PER_REQUEST:
        raise TooLarge(f"A call may hold {settings.MAX_EVENTS_PER_REQUEST} rows; {len(rows)} were sent.")
    return rows


def _page(request: Request) -> dict[str, Any]:
    query = request.query_params
    limit = max(1, whole_number(query, "n", DEFAULT_N, most=MAX_PAGE))
    return {"cursor": query.get("cursor") or None, "limit": limit, "search": query.get("q", "")[:256]}
