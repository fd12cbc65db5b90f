"""POST /recommend, /rank and /similar for whoever comes through Django; the web server answers them before (`webapp.serving.door`)."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from engine.serving.requests import Ask
from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.core.api import ApiView, ErrorBody
from webapp.core.clock import wall_ms
from webapp.serving import recommending
from webapp.serving.requests_answers import RankAnswer, RecommendAnswer, ValidatedRequest
from webapp.serving.requests_calls import RankBody, RecommendBody, SimilarBody
from webapp.serving.requests_reading import read_call


def _either(name: str, answer: type[Any]) -> PolymorphicProxySerializer:
    documents: Any = [answer, ValidatedRequest]  # pydantic's, which the stubs do not know of
    return PolymorphicProxySerializer(name, documents, resource_type_field_name=None)


_ERRORS = {400: ErrorBody, 404: ErrorBody, 413: ErrorBody, 429: ErrorBody, 503: ErrorBody}


class CallView(ApiView):
    """One of the three calls."""

    scopes = {"POST": (Scope.RECOMMEND,)}
    ask: ClassVar[Ask]

    def answer(self, request: Request) -> Response:
        asked = read_call(self.ask, request.data, wall_ms())
        return Response(recommending.answer(project=project_of(request), asked=asked))


class RecommendView(CallView):
    ask = Ask.RECOMMEND

    @extend_schema(
        operation_id="recommend",
        summary="Recommend items to a user",
        description="The answer is logged as an impression; send `recommendation_id` back with the events it leads to.",
        tags=["recommend"],
        request=RecommendBody,
        responses={200: _either("Recommendation", RecommendAnswer), **_ERRORS},
    )
    def post(self, request: Request) -> Response:
        return self.answer(request)


class RankView(CallView):
    ask = Ask.RANK

    @extend_schema(
        operation_id="rank",
        summary="Order given items for a user",
        description="All of them, whatever the deployment's rules say; `unknown` tells those that the catalogue does not have.",
        tags=["recommend"],
        request=RankBody,
        responses={200: _either("Ranking", RankAnswer), **_ERRORS},
    )
    def post(self, request: Request) -> Response:
        return self.answer(request)


class SimilarView(CallView):
    ask = Ask.SIMILAR

    @extend_schema(
        operation_id="similar",
        summary="Items like an item",
        description="By what users did with both and by the retrieval model's vectors; for a user, by their own taste as well.",
        tags=["recommend"],
        request=SimilarBody,
        responses={200: _either("SimilarItems", RecommendAnswer), **_ERRORS},
    )
    def post(self, request: Request) -> Response:
        return self.answer(request)
