"""How far a model's parameters have travelled, and what one may ask of those who carry them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.accounts.permissions import ANY_SCOPE
from webapp.core.api import ApiView, ErrorBody
from webapp.core.fields import RequestBody, read
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import model_version
from webapp.registry.serializers import ModelQuery
from webapp.serving import selectors, sync_orders
from webapp.serving.freshness_series import freshness_of
from webapp.serving.models import Replica, SyncOrder
from webapp.serving.serializers import SyncAnswer, SyncOrderRow

MANAGES = (Scope.MANAGE,)
TAKES_A_SECOND = "It looks once a second: `orders` of `model_sync` say when it has begun and when it was done."


class ResyncBody(RequestBody):
    replica = serializers.CharField(max_length=120)
    version = serializers.IntegerField(required=False, default=None, min_value=1, help_text="the newest unless told")


class ReplicaDrained(serializers.Serializer[Any]):
    replica = serializers.CharField()
    drained_at = serializers.DateTimeField(allow_null=True)


class SyncView(ApiView):
    scopes = {"GET": ANY_SCOPE}

    @extend_schema(
        operation_id="model_sync",
        summary="Where the trainer and each replica stand",
        tags=["models"],
        parameters=[ModelQuery],
        responses={200: SyncAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, name: str) -> Response:
        found = _version(request, name, read(ModelQuery, request.query_params.dict())["version"])
        status = selectors.sync_status(model_version=found)
        orders = sync_orders.orders_described(model_version=found)
        return Response({**status, "orders": orders, "freshness": freshness_of(model_version=found)})


class SnapshotView(ApiView):
    scopes = {"POST": MANAGES}

    @extend_schema(
        operation_id="model_snapshot",
        summary="Have the online trainer write a snapshot now",
        description=TAKES_A_SECOND,
        tags=["models"],
        request=ModelQuery,
        responses={202: SyncOrderRow, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request, name: str) -> Response:
        found = _version(request, name, read(ModelQuery, request.data)["version"])
        return _ordered(sync_orders.snapshot_order(model_version=found, asked_by="API"))


class ResyncView(ApiView):
    scopes = {"POST": MANAGES}

    @extend_schema(
        operation_id="model_resync",
        summary="Have a replica load the newest snapshot and go on from there",
        description=f"It answers meanwhile with what it has. {TAKES_A_SECOND}",
        tags=["models"],
        request=ResyncBody,
        responses={202: SyncOrderRow, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request, name: str) -> Response:
        body = read(ResyncBody, request.data)
        found = _version(request, name, body["version"])
        return _ordered(sync_orders.resync_order(model_version=found, replica=body["replica"], asked_by="API"))


class DrainView(ApiView):
    scopes = {"POST": MANAGES, "DELETE": MANAGES}

    @extend_schema(
        operation_id="replica_drain",
        summary="Ask a replica for nothing more",
        description=(
            "Within a second nobody asks it; what it has begun it ends, and it goes on following. Refused where replicas answer for "
            "other projects too, and for the last one that answers."
        ),
        tags=["models"],
        request=None,
        responses={200: ReplicaDrained, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request, replica: str) -> Response:
        return _drained(sync_orders.replica_drain(replica=replica, project=project_of(request)))

    @extend_schema(
        operation_id="replica_undrain",
        summary="Ask a replica again",
        tags=["models"],
        responses={200: ReplicaDrained, 404: ErrorBody, 409: ErrorBody},
    )
    def delete(self, request: Request, replica: str) -> Response:
        return _drained(sync_orders.replica_undrain(replica=replica, project=project_of(request)))


def _version(request: Request, name: str, version: int | None) -> ModelVersion:
    return model_version(project=project_of(request), name=name, version=version)


def _ordered(order: SyncOrder) -> Response:
    return Response(SyncOrderRow(order).data, status=202)


def _drained(replica: Replica) -> Response:
    return Response(ReplicaDrained({"replica": replica.name, "drained_at": replica.drained_at}).data)
