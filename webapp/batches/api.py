"""Batches: ask, look, stop, fetch, delete."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.batches import selectors, services
from webapp.batches.models import Batch
from webapp.batches.results import opened
from webapp.batches.serializers import BatchActionBody, BatchAnswer, BatchBody, BatchesAnswer
from webapp.core.api import ApiView, ErrorBody
from webapp.core.fields import read

RECOMMENDS = (Scope.RECOMMEND,)
NUM_BATCHES = 100


class BatchesView(ApiView):
    scopes = {"GET": RECOMMENDS, "POST": RECOMMENDS}

    @extend_schema(
        operation_id="batches_list",
        summary="List the newest batches",
        tags=["recommend"],
        responses={200: BatchesAnswer},
    )
    def get(self, request: Request) -> Response:
        found = selectors.batches_of(project=project_of(request))[:NUM_BATCHES]
        return Response({"batches": [_batch(one) for one in found]})

    @extend_schema(
        operation_id="batch_start",
        summary="Recommend items to many users, into a file",
        description="A job with progress. Nothing is logged as an impression: nobody has been shown anything yet.",
        tags=["recommend"],
        request=BatchBody,
        responses={201: BatchAnswer, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request) -> Response:
        started = services.batch_start(project=project_of(request), **read(BatchBody, request.data))
        return Response(_batch(started), status=201)


class BatchView(ApiView):
    scopes = {"GET": RECOMMENDS, "POST": RECOMMENDS, "DELETE": RECOMMENDS}

    @extend_schema(
        operation_id="batch_get",
        summary="Read a batch",
        tags=["recommend"],
        responses={200: BatchAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, batch_id: int) -> Response:
        return Response(_batch(selectors.batch_get(project=project_of(request), batch_id=batch_id)))

    @extend_schema(
        operation_id="batch_stop",
        summary="Stop a batch",
        description="Stopping twice is harmless.",
        tags=["recommend"],
        request=BatchActionBody,
        responses={200: BatchAnswer, 400: ErrorBody, 404: ErrorBody},
    )
    def post(self, request: Request, batch_id: int) -> Response:
        read(BatchActionBody, request.data)
        found = selectors.batch_get(project=project_of(request), batch_id=batch_id)
        return Response(_batch(services.batch_stop(batch=found)))

    @extend_schema(
        operation_id="batch_delete",
        summary="Delete a batch and its file",
        tags=["recommend"],
        responses={204: None, 404: ErrorBody, 409: ErrorBody},
    )
    def delete(self, request: Request, batch_id: int) -> Response:
        services.batch_delete(batch=selectors.batch_get(project=project_of(request), batch_id=batch_id))
        return Response(status=204)


class BatchResultView(ApiView):
    scopes = {"GET": RECOMMENDS}

    @extend_schema(
        operation_id="batch_result",
        summary="Fetch a batch's file",
        tags=["recommend"],
        responses={200: OpenApiResponse(OpenApiTypes.BINARY, "a row a user"), 404: ErrorBody, 409: ErrorBody},
    )
    def get(self, request: Request, batch_id: int) -> FileResponse:
        return opened(selectors.batch_get(project=project_of(request), batch_id=batch_id))


def _batch(batch: Batch) -> dict[str, Any]:
    is_there = batch.state == Batch.State.SUCCEEDED
    return {
        "id": batch.pk,
        "state": batch.state,
        "deployment": batch.deployment,
        "k": batch.k,
        "filter": batch.filter or None,
        "format": batch.format,
        "num_users": batch.num_users,
        "num_done": batch.num_done,
        "num_degraded": batch.num_degraded,
        "num_bytes": batch.num_bytes,
        "result": f"/api/v1/batch-recommendations/{batch.pk}/result" if is_there else None,
        "error": batch.error,
        "created_at": batch.created_at,
        "started_at": batch.started_at,
        "finished_at": batch.finished_at,
    }
