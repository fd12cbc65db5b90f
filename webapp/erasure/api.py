"""Erasures over the API: what was ordered, and the receipt."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.core.api import ApiView, ErrorBody
from webapp.core.fields import IdField, PageQuery, RequestBody, read
from webapp.erasure import selectors
from webapp.erasure.addresses import erasure_address
from webapp.erasure.models import Erasure, Part, Place
from webapp.erasure.services import erasure_order


class ErasureBody(RequestBody):
    """Whom or what to erase. One that only events name, and that was never written, may be erased too."""

    kind = serializers.ChoiceField(choices=["user", "item"])
    id = IdField()


class PartAnswer(serializers.Serializer[Any]):
    """`pending`: this place has not come to the order yet; `stays`: it is not erased there, `note` says why, `until` when it is gone."""

    place = serializers.ChoiceField(choices=Place.choices)
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=Part.State.choices)
    counts = serializers.DictField(child=serializers.IntegerField())
    sequence = serializers.IntegerField(allow_null=True)
    note = serializers.CharField()
    until = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField()


class ErasureAnswer(serializers.Serializer[Any]):
    """A receipt. `done` when nothing is pending any more."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    entity_id = serializers.CharField()
    state = serializers.ChoiceField(choices=Erasure.State.choices)
    asked_by = serializers.CharField()
    ordered_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    parts = PartAnswer(many=True)


class ErasuresAnswer(serializers.Serializer[Any]):
    erasures = ErasureAnswer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class ErasuresView(ApiView):
    scopes = {"GET": (Scope.INGEST,), "POST": (Scope.INGEST,)}

    @extend_schema(
        operation_id="erasures_list",
        summary="List erasures, the newest first",
        tags=["erasures"],
        parameters=[PageQuery],
        responses={200: ErasuresAnswer},
    )
    def get(self, request: Request) -> Response:
        asked = read(PageQuery, request.query_params.dict())
        page = selectors.erasures_page(
            project=project_of(request), cursor=asked.get("cursor"), limit=asked.get("limit", 100)
        )
        return Response({"erasures": [_answer(one) for one in page.rows], "next_cursor": page.next_cursor})

    @extend_schema(
        operation_id="erasures_create",
        summary="Erase a user or an item",
        description="As DELETE of a user or an item, also of one whom only events name.",
        tags=["erasures"],
        request=ErasureBody,
        responses={201: ErasureAnswer, 400: ErrorBody},
    )
    def post(self, request: Request) -> Response:
        body, project = read(ErasureBody, request.data), project_of(request)
        ordered = erasure_order(project=project, kind=body["kind"], entity_id=body["id"], must_exist=False)
        erasure = selectors.erasure_get(project=project, erasure_id=ordered.erasure.pk)
        return Response(_answer(erasure), status=201, headers={"Location": erasure_address(erasure)})


class ErasureView(ApiView):
    scopes = {"GET": (Scope.INGEST,)}

    @extend_schema(
        operation_id="erasure_get",
        summary="Read the receipt of an erasure",
        tags=["erasures"],
        responses={200: ErasureAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, erasure_id: int) -> Response:
        return Response(_answer(selectors.erasure_get(project=project_of(request), erasure_id=erasure_id)))


def _answer(erasure: Erasure) -> dict[str, Any]:
    return {
        "id": erasure.pk,
        "kind": erasure.kind,
        "entity_id": erasure.entity_id,
        "state": erasure.state,
        "asked_by": erasure.asked_by,
        "ordered_at": erasure.ordered_at,
        "finished_at": erasure.finished_at,
        "parts": [_part(line.part) for line in selectors.lines_of(erasure)],
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "place": part.place,
        "name": part.name,
        "state": part.state,
        "counts": selectors.counts_of(part),
        "sequence": part.sequence,
        "note": part.note,
        "until": part.until,
        "updated_at": part.updated_at,
    }
