"""GET /health/live and /health/ready: whether this process runs, and whether it can answer a call for items."""

from __future__ import annotations

from django.db import Error as DatabaseError
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.core.api import ApiView, HealthBody
from webapp.core.selectors import Check
from webapp.serving.door.breaker import BreakerState
from webapp.serving.door.falling_back import can_recall
from webapp.serving.door.serving_loop import is_stopping, loop_states
from webapp.serving.models import Deployment
from webapp.serving.selectors import replica_addresses


class _HealthView(ApiView):
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = []


class LiveView(_HealthView):
    @extend_schema(
        operation_id="health_live",
        summary="Whether this web process runs",
        auth=[],
        tags=["health"],
        responses={200: HealthBody},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        return Response({"status": "ok", "checks": {}})


class ReadyView(_HealthView):
    @extend_schema(
        operation_id="health_ready",
        summary="Whether this web process can answer a call for items",
        description="By a replica, or while there is none by what was answered lately. For a load balancer.",
        auth=[],
        tags=["health"],
        responses={200: HealthBody, 503: OpenApiResponse(HealthBody, "it cannot, or it is stopping")},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        checks = [Check("replicas", _ask_replicas()), Check("process", "is stopping" if is_stopping() else "")]
        is_ready = all(check.is_ok for check in checks)
        body = {"status": "ok" if is_ready else "failing", "checks": {one.name: one.problem or "ok" for one in checks}}
        return Response(body, status=200 if is_ready else 503)


def _ask_replicas() -> str:
    """What is remembered counts: an answer needs no more."""
    try:
        addresses = replica_addresses()
    except DatabaseError as error:
        return "" if can_recall() else f"PostgreSQL does not answer ({type(error).__name__})"
    serving = loop_states()
    states = serving.replicas.states() if serving is not None else {}
    if any(states.get(address) is not BreakerState.OPEN for address in addresses) or can_recall():
        return ""
    if addresses:
        return "none answers"
    return "none is alive" if Deployment.objects.filter(is_active=True).exists() else ""
