"""What every endpoint shares, and the endpoints that belong to no room: health, unknown addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, ClassVar

import orjson
from django.conf import settings
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webapp.accounts.models import Scope
from webapp.core.encoded_body import read_body
from webapp.core.errors import NotFound
from webapp.core.selectors import server_checks
from webapp.core.strict_json import BrokenJson, read_json
from webapp.serving.selectors import replica_check


class JsonParser(BaseParser):
    """Strict JSON of at most `MAX_BODY_BYTES`, packed (`Content-Encoding`) or not; a longer body is refused before it is read whole."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = read_request_body(stream, parser_context)
        try:
            return read_json(body)
        except BrokenJson as error:
            raise ParseError(f"The body is not JSON: {error}") from error


def read_request_body(stream: IO[bytes], parser_context: Mapping[str, Any] | None) -> bytes:
    """What a parser parses. Raises as `encoded_body.read_body`."""
    request: Request | None = (parser_context or {}).get("request")
    encoding = request.headers.get("Content-Encoding", "") if request is not None else ""
    return read_body(stream, encoding, settings.MAX_BODY_BYTES)


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002
        renderer_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data, option=orjson.OPT_UTC_Z, default=str)


class ApiView(APIView):
    """An endpoint for keys. `scopes` names, for each method, those of which the key needs one."""

    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    parser_classes = [JsonParser]
    renderer_classes = [JsonRenderer]
    scopes: ClassVar[dict[str, tuple[Scope, ...]]] = {}


class ErrorBody(serializers.Serializer[Any]):
    """Every error of the API."""

    code = serializers.CharField(help_text="stable, for programs")
    message = serializers.CharField(help_text="for people")
    extra = serializers.DictField(help_text="details; `problems` lists field, rule and received")


class HealthBody(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["ok", "failing"])
    checks = serializers.DictField(child=serializers.CharField(), help_text="ok, or what is wrong")


class HealthView(ApiView):
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = []

    @extend_schema(
        operation_id="health",
        summary="Whether the servers behind the API answer",
        auth=[],
        tags=["health"],
        responses={200: HealthBody, 503: OpenApiResponse(HealthBody, "at least one check fails")},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        checks = server_checks()
        if checks[0].is_ok:
            checks.append(replica_check())
        is_ok = all(check.is_ok for check in checks)
        body = {"status": "ok" if is_ok else "failing", "checks": {one.name: one.problem or "ok" for one in checks}}
        return Response(body, status=200 if is_ok else 503)


@extend_schema(exclude=True)
class UnknownAddressView(ApiView):
    """Any address under /api/ that is no endpoint."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound(f"There is no endpoint {request.path[:200]!r}; /api/v1/docs/ lists them.")
