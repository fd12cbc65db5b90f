"""The schema, the models, and the JSON Schema that model definitions follow."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from engine.spec.definition import ModelDefinition
from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.accounts.permissions import ANY_SCOPE
from webapp.core.api import ApiView, ErrorBody
from webapp.core.fields import read
from webapp.registry import selectors, services
from webapp.registry.models import ModelVersion, SchemaVersion
from webapp.registry.serializers import (
    ModelAnswer,
    ModelBody,
    ModelQuery,
    ModelsAnswer,
    NewModelBody,
    SchemaAnswer,
    SchemaBody,
)

MANAGES = (Scope.MANAGE,)


class SchemaView(ApiView):
    scopes = {"GET": ANY_SCOPE, "PUT": MANAGES}

    @extend_schema(
        operation_id="schema_get", summary="Read the current schema", tags=["schema"], responses={200: SchemaAnswer}
    )
    def get(self, request: Request) -> Response:
        return Response(_schema(selectors.schema_current(project=project_of(request))))

    @extend_schema(
        operation_id="schema_put",
        summary="Publish a schema",
        description="A changed document becomes the next version; an unchanged one answers the current version.",
        tags=["schema"],
        request=SchemaBody,
        responses={200: SchemaAnswer, 400: ErrorBody},
    )
    def put(self, request: Request) -> Response:
        body = read(SchemaBody, request.data)
        return Response(_schema(services.schema_publish(project=project_of(request), **body)))


class ModelsView(ApiView):
    scopes = {"GET": ANY_SCOPE, "POST": MANAGES}

    @extend_schema(operation_id="models_list", summary="List models", tags=["models"], responses={200: ModelsAnswer})
    def get(self, request: Request) -> Response:
        return Response({"models": selectors.model_rows(project=project_of(request))})

    @extend_schema(
        operation_id="model_create",
        summary="Create a model",
        tags=["models"],
        request=NewModelBody,
        responses={201: ModelAnswer, 400: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request) -> Response:
        body = read(NewModelBody, request.data)
        created = services.model_create(
            project=project_of(request), name=body["name"], document=body["definition"], note=body["note"]
        )
        return Response(_model(created), status=201)


class ModelView(ApiView):
    scopes = {"GET": ANY_SCOPE, "PUT": MANAGES}

    @extend_schema(
        operation_id="model_get",
        summary="Read a model",
        tags=["models"],
        parameters=[ModelQuery],
        responses={200: ModelAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, name: str) -> Response:
        version = read(ModelQuery, request.query_params.dict())["version"]
        return Response(_model(selectors.model_version(project=project_of(request), name=name, version=version)))

    @extend_schema(
        operation_id="model_put",
        summary="Publish a model's definition",
        description="A changed definition becomes the next version; an unchanged one answers the current version.",
        tags=["models"],
        request=ModelBody,
        responses={200: ModelAnswer, 400: ErrorBody},
    )
    def put(self, request: Request, name: str) -> Response:
        body = read(ModelBody, request.data)
        published = services.model_publish(
            project=project_of(request), name=name, document=body["definition"], note=body["note"]
        )
        return Response(_model(published))


class DefinitionSchemaView(ApiView):
    """Public: the same for every project."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="definition_schema_get",
        summary="The JSON Schema of model definitions",
        auth=[],
        tags=["models"],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        return Response(ModelDefinition.json_schema())


def _schema(version: SchemaVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "document": version.document,
        "note": version.note,
        "created_at": version.created_at,
    }


def _model(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.model.name,
        "version": version.version,
        "definition": version.document,
        "note": version.note,
        "created_at": version.created_at,
    }
