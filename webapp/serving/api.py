"""POST /recommend, and how far a model's parameters have travelled."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.accounts.permissions import ANY_SCOPE
from webapp.core.api import ApiView, ErrorBody
from webapp.core.fields import read
from webapp.registry.selectors import model_version
from webapp.registry.serializers import ModelQuery
from webapp.serving import selectors, services
from webapp.serving.freshness_series import freshness_of
from webapp.serving.serializers import RecommendAnswer, RecommendBody, SyncAnswer


class RecommendView(ApiView):
    scopes = {"POST": (Scope.RECOMMEND,)}

    @extend_schema(
        operation_id="recommend",
        summary="Recommend items to a user",
        description="The answer is logged as an impression; send `recommendation_id` back with the events it leads to.",
        tags=["recommend"],
        request=RecommendBody,
        responses={200: RecommendAnswer, 400: ErrorBody, 404: ErrorBody, 503: ErrorBody},
    )
    def post(self, request: Request) -> Response:
        body = read(RecommendBody, request.data)
        name = body.pop("deployment")
        return Response(services.recommend(project=project_of(request), deployment_name=name, **body))


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
        version = read(ModelQuery, request.query_params.dict())["version"]
        found = model_version(project=project_of(request), name=name, version=version)
        return Response({**selectors.sync_status(model_version=found), "freshness": freshness_of(model_version=found)})
