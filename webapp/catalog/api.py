"""POST /events, and users and items one by one and in batches."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.catalog import selectors, services
from webapp.catalog.entities import PutReport
from webapp.catalog.models import Entity
from webapp.catalog.serializers import (
    EntitiesAnswer,
    EntityAnswer,
    EventsAnswer,
    EventsBody,
    ItemsAnswer,
    ItemsBody,
    PropertiesBody,
    UsersAnswer,
    UsersBody,
)
from webapp.core.api import ApiView, ErrorBody
from webapp.core.errors import Invalid
from webapp.core.fields import PageQuery, read, read_rows

WRITES = (Scope.INGEST,)
READS = (Scope.RECOMMEND,)


class EventsView(ApiView):
    scopes = {"POST": WRITES}

    @extend_schema(
        operation_id="events_post",
        summary="Send events",
        description="A JSON array of events, or an object with them under `events`. Each row is judged by itself; what is "
        "answered as accepted is durable. Answers 400 (`all_rejected`, the same report in `extra`) when no row is good.",
        tags=["events"],
        request=EventsBody,
        responses={200: EventsAnswer, 400: ErrorBody, 413: ErrorBody, 503: ErrorBody},
    )
    def post(self, request: Request) -> Response:
        rows = read_rows(request.data, "events", settings.MAX_EVENTS_PER_REQUEST)
        report = services.events_ingest(project=project_of(request), rows=rows, source="api")
        answer = {
            "accepted": report.num_accepted,
            "repeated": report.num_repeated,
            "rejected": report.num_rejected,
            "results": [
                {
                    "index": one.index,
                    "event_id": one.event_id,
                    "status": one.status,
                    "partition": one.partition,
                    "offset": one.offset,
                    "problems": [problem.as_dict() for problem in one.problems],
                }
                for one in report.results
            ],
        }
        return _unless_all_rejected(answer, report.num_rejected, len(rows))


class ItemsView(ApiView):
    scopes = {"GET": READS, "PUT": WRITES}

    @extend_schema(
        operation_id="items_list",
        summary="List items",
        tags=["items"],
        parameters=[PageQuery],
        responses={200: ItemsAnswer},
    )
    def get(self, request: Request) -> Response:
        page = selectors.items_page(project=project_of(request), **read(PageQuery, request.query_params.dict()))
        return Response({"items": [_entity(item) for item in page.rows], "next_cursor": page.next_cursor})

    @extend_schema(
        operation_id="items_put",
        summary="Create or replace many items",
        tags=["items"],
        request=ItemsBody,
        responses={200: EntitiesAnswer, 400: ErrorBody, 413: ErrorBody},
    )
    def put(self, request: Request) -> Response:
        rows = read_rows(request.data, "items", settings.MAX_EVENTS_PER_REQUEST)
        return _put_answer(services.items_put(project=project_of(request), rows=rows))


class ItemView(ApiView):
    scopes = {"GET": READS, "PUT": WRITES, "PATCH": WRITES, "DELETE": WRITES}

    @extend_schema(
        operation_id="item_get", summary="Read an item", tags=["items"], responses={200: EntityAnswer, 404: ErrorBody}
    )
    def get(self, request: Request, item_id: str) -> Response:
        return Response(_entity(selectors.item_get(project=project_of(request), item_id=item_id)))

    @extend_schema(
        operation_id="item_put",
        summary="Create or replace an item",
        tags=["items"],
        request=PropertiesBody,
        responses={200: EntityAnswer, 400: ErrorBody},
    )
    def put(self, request: Request, item_id: str) -> Response:
        body = read(PropertiesBody, request.data)
        return Response(_entity(services.item_put(project=project_of(request), item_id=item_id, **body)))

    @extend_schema(
        operation_id="item_patch",
        summary="Change some properties of an item",
        tags=["items"],
        request=PropertiesBody,
        responses={200: EntityAnswer, 400: ErrorBody, 404: ErrorBody},
    )
    def patch(self, request: Request, item_id: str) -> Response:
        body = read(PropertiesBody, request.data)
        return Response(_entity(services.item_patch(project=project_of(request), item_id=item_id, **body)))

    @extend_schema(
        operation_id="item_delete", summary="Delete an item", tags=["items"], responses={204: None, 404: ErrorBody}
    )
    def delete(self, request: Request, item_id: str) -> Response:
        services.item_delete(project=project_of(request), item_id=item_id)
        return Response(status=204)


class UsersView(ApiView):
    scopes = {"GET": READS, "PUT": WRITES}

    @extend_schema(
        operation_id="users_list",
        summary="List users",
        tags=["users"],
        parameters=[PageQuery],
        responses={200: UsersAnswer},
    )
    def get(self, request: Request) -> Response:
        page = selectors.users_page(project=project_of(request), **read(PageQuery, request.query_params.dict()))
        return Response({"users": [_entity(user) for user in page.rows], "next_cursor": page.next_cursor})

    @extend_schema(
        operation_id="users_put",
        summary="Create or replace many users",
        tags=["users"],
        request=UsersBody,
        responses={200: EntitiesAnswer, 400: ErrorBody, 413: ErrorBody},
    )
    def put(self, request: Request) -> Response:
        rows = read_rows(request.data, "users", settings.MAX_EVENTS_PER_REQUEST)
        return _put_answer(services.users_put(project=project_of(request), rows=rows))


class UserView(ApiView):
    scopes = {"GET": READS, "PUT": WRITES, "PATCH": WRITES, "DELETE": WRITES}

    @extend_schema(
        operation_id="user_get", summary="Read a user", tags=["users"], responses={200: EntityAnswer, 404: ErrorBody}
    )
    def get(self, request: Request, user_id: str) -> Response:
        return Response(_entity(selectors.user_get(project=project_of(request), user_id=user_id)))

    @extend_schema(
        operation_id="user_put",
        summary="Create or replace a user",
        tags=["users"],
        request=PropertiesBody,
        responses={200: EntityAnswer, 400: ErrorBody},
    )
    def put(self, request: Request, user_id: str) -> Response:
        body = read(PropertiesBody, request.data)
        return Response(_entity(services.user_put(project=project_of(request), user_id=user_id, **body)))

    @extend_schema(
        operation_id="user_patch",
        summary="Change some properties of a user",
        tags=["users"],
        request=PropertiesBody,
        responses={200: EntityAnswer, 400: ErrorBody, 404: ErrorBody},
    )
    def patch(self, request: Request, user_id: str) -> Response:
        body = read(PropertiesBody, request.data)
        return Response(_entity(services.user_patch(project=project_of(request), user_id=user_id, **body)))

    @extend_schema(
        operation_id="user_delete", summary="Delete a user", tags=["users"], responses={204: None, 404: ErrorBody}
    )
    def delete(self, request: Request, user_id: str) -> Response:
        services.user_delete(project=project_of(request), user_id=user_id)
        return Response(status=204)


def _entity(entity: Entity) -> dict[str, Any]:
    return {
        "id": entity.external_id,
        "properties": entity.properties,
        "created_at": entity.created_at,
        "updated_at": entity.updated_at,
    }


def _put_answer(report: PutReport) -> Response:
    answer = {
        "written": report.num_written,
        "rejected": report.num_rejected,
        "results": [
            {
                "index": one.index,
                "id": one.id,
                "status": one.status,
                "problems": [problem.as_dict() for problem in one.problems],
            }
            for one in report.results
        ],
    }
    return _unless_all_rejected(answer, report.num_rejected, len(report.results))


def _unless_all_rejected(answer: dict[str, Any], num_rejected: int, num_rows: int) -> Response:
    if num_rejected == num_rows:
        raise Invalid("No row is good; `extra.results` says why for each.", code="all_rejected", **answer)
    return Response(answer)
