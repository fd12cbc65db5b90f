"""POST /events, and users and items one by one and in batches."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from engine.spec.validation import MAX_FUTURE_MS
from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.catalog import back_pressure, selectors, services
from webapp.catalog.entities import ItemWritten, PutReport
from webapp.catalog.models import Entity, Item
from webapp.catalog.parsers import JsonLinesParser
from webapp.catalog.serializers import (
    EntitiesAnswer,
    EntityAnswer,
    EventsAnswer,
    EventsBody,
    ItemAnswer,
    ItemBody,
    ItemsAnswer,
    ItemsBody,
    ItemsWrittenAnswer,
    ItemWrittenAnswer,
    PendingAnswer,
    PropertiesBody,
    UsersAnswer,
    UsersBody,
)
from webapp.core.api import ApiView, ErrorBody, JsonParser
from webapp.core.errors import Invalid
from webapp.core.fields import PageQuery, read, read_rows
from webapp.core.request_headers import MINIMAL, body_bytes, prefers, prefers_to_wait
from webapp.erasure.addresses import erasure_address
from webapp.erasure.services import erasure_order

WRITES = (Scope.INGEST,)
READS = (Scope.RECOMMEND,)


EVENTS_DESCRIPTION = f"""A JSON array of events, an object with them under `events`, or one event a line
(`application/x-ndjson`; blank lines are left out, and a line that is not JSON is a refused row).

Each row is judged by itself, all rows by one version of the schema; what is answered as accepted is durable. When no row is
good the answer is 400 (`all_rejected`, the same report in `extra`). `timestamp` may be at most
{MAX_FUTURE_MS // 3_600_000} hours after the time of receipt, and not before the year 2000. A request of which nothing was
answered may be sent again: a repeat of an `event_id` is not appended twice.

A body has at most {settings.MAX_BODY_BYTES} bytes, as sent and unpacked, and {settings.MAX_EVENTS_PER_REQUEST} rows; more is
413 (`too_large`). 429 says in `Retry-After` when to come back: `busy` when this server or the joiner has too much to do
(`extra.reason`: `requests`, `bytes` or `joiner_lag`), `throttled` when the key asks too often."""
EVENTS_HEADERS = [
    OpenApiParameter(
        "Content-Encoding", str, OpenApiParameter.HEADER, enum=["gzip", "zstd"], description="how the body is packed"
    ),
    OpenApiParameter(
        "Prefer",
        str,
        OpenApiParameter.HEADER,
        enum=[MINIMAL],
        description="leaves the accepted and repeated rows out of `results`",
    ),
]


ITEM_HEADERS = [
    OpenApiParameter(
        "Prefer",
        str,
        OpenApiParameter.HEADER,
        description="`wait=1`: answer when every replica answers by what is written, at most a second later, and name in "
        "`replicas_pending` those that do not yet. Hiding and deleting always do so; other writes are in effect within a "
        "fraction of a second.",
    )
]


ERASED_DESCRIPTION = (
    "What was learned and kept of it is erased within seconds by whoever holds it; "
    "the header `Location` is the address of the receipt."
)


class EventsView(ApiView):
    scopes = {"POST": WRITES}
    parser_classes = [JsonParser, JsonLinesParser]

    @extend_schema(
        operation_id="events_post",
        summary="Send events",
        description=EVENTS_DESCRIPTION,
        tags=["events"],
        parameters=EVENTS_HEADERS,
        request={
            "application/json": EventsBody,
            "application/x-ndjson": {"type": "string", "description": "one event a line"},
        },
        responses={
            200: EventsAnswer,
            400: ErrorBody,
            413: ErrorBody,
            415: ErrorBody,
            429: OpenApiResponse(ErrorBody, "too much at once; `Retry-After` has the seconds to wait"),
            503: ErrorBody,
        },
    )
    def post(self, request: Request) -> Response:
        project = project_of(request)
        is_packed = bool(request.headers.get("Content-Encoding"))
        with back_pressure.admitted(project=project, num_bytes=body_bytes(request), is_packed=is_packed):
            rows = read_rows(request.data, "events", settings.MAX_EVENTS_PER_REQUEST)
            report = services.events_ingest(project=project, rows=rows, source="api")
        is_minimal = prefers(request, MINIMAL)
        answer = {
            "accepted": report.num_accepted,
            "repeated": report.num_repeated,
            "rejected": report.num_rejected,
            "schema_version": report.schema_version,
            "results": report.as_json(rejected_only=is_minimal),
        }
        response = _unless_all_rejected(answer, report.num_rejected, len(rows))
        if is_minimal:
            response.headers["Preference-Applied"] = MINIMAL
        return response


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
        return Response({"items": [_item(item) for item in page.rows], "next_cursor": page.next_cursor})

    @extend_schema(
        operation_id="items_put",
        summary="Create or replace many items",
        tags=["items"],
        parameters=ITEM_HEADERS,
        request=ItemsBody,
        responses={200: ItemsWrittenAnswer, 400: ErrorBody, 413: ErrorBody},
    )
    def put(self, request: Request) -> Response:
        rows = read_rows(request.data, "items", settings.MAX_EVENTS_PER_REQUEST)
        report = services.items_put(project=project_of(request), rows=rows, is_waited_for=prefers_to_wait(request))
        return _put_answer(report, replicas_pending=list(report.replicas_pending))


class ItemView(ApiView):
    scopes = {"GET": READS, "PUT": WRITES, "PATCH": WRITES, "DELETE": WRITES}

    @extend_schema(
        operation_id="item_get", summary="Read an item", tags=["items"], responses={200: ItemAnswer, 404: ErrorBody}
    )
    def get(self, request: Request, item_id: str) -> Response:
        return Response(_item(selectors.item_get(project=project_of(request), item_id=item_id)))

    @extend_schema(
        operation_id="item_put",
        summary="Create or replace an item",
        tags=["items"],
        parameters=ITEM_HEADERS,
        request=ItemBody,
        responses={200: ItemWrittenAnswer, 400: ErrorBody},
    )
    def put(self, request: Request, item_id: str) -> Response:
        body = read(ItemBody, request.data)
        waits = prefers_to_wait(request)
        return _written(services.item_put(project=project_of(request), item_id=item_id, is_waited_for=waits, **body))

    @extend_schema(
        operation_id="item_patch",
        summary="Change some properties of an item",
        tags=["items"],
        parameters=ITEM_HEADERS,
        request=ItemBody,
        responses={200: ItemWrittenAnswer, 400: ErrorBody, 404: ErrorBody},
    )
    def patch(self, request: Request, item_id: str) -> Response:
        body = read(ItemBody, request.data)
        waits = prefers_to_wait(request)
        return _written(services.item_patch(project=project_of(request), item_id=item_id, is_waited_for=waits, **body))

    @extend_schema(
        operation_id="item_delete",
        summary="Delete an item",
        description="204 when every replica has confirmed that it recommends the item no more, 202 when one has not yet. "
        + ERASED_DESCRIPTION,
        tags=["items"],
        responses={204: None, 202: PendingAnswer, 404: ErrorBody},
    )
    def delete(self, request: Request, item_id: str) -> Response:
        ordered = erasure_order(project=project_of(request), kind="item", entity_id=item_id)
        pending = list(ordered.replicas_pending)
        response = Response({"replicas_pending": pending}, status=202) if pending else Response(status=204)
        response.headers["Location"] = erasure_address(ordered.erasure)
        return response


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
        operation_id="user_delete",
        summary="Delete a user",
        description="The properties are gone at once. " + ERASED_DESCRIPTION,
        tags=["users"],
        responses={204: None, 404: ErrorBody},
    )
    def delete(self, request: Request, user_id: str) -> Response:
        ordered = erasure_order(project=project_of(request), kind="user", entity_id=user_id)
        return Response(status=204, headers={"Location": erasure_address(ordered.erasure)})


def _entity(entity: Entity) -> dict[str, Any]:
    return {
        "id": entity.external_id,
        "properties": entity.properties,
        "created_at": entity.created_at,
        "updated_at": entity.updated_at,
    }


def _item(item: Item) -> dict[str, Any]:
    return {**_entity(item), "hidden": item.hidden}


def _written(written: ItemWritten) -> Response:
    return Response({**_item(written.item), "replicas_pending": list(written.replicas_pending)})


def _put_answer(report: PutReport, **more: Any) -> Response:
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
        **more,
    }
    return _unless_all_rejected(answer, report.num_rejected, len(report.results))


def _unless_all_rejected(answer: dict[str, Any], num_rejected: int, num_rows: int) -> Response:
    if num_rejected == num_rows:
        raise Invalid("No row is good; `extra.results` says why for each.", code="all_rejected", **answer)
    return Response(answer)
