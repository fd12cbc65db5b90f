"""POST /recommend."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.core.api import ApiView, ErrorBody
from webapp.core.fields import read
from webapp.serving import services
from webapp.serving.serializers import RecommendAnswer, RecommendBody


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
