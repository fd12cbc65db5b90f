"""What became of what a deployment showed, over the API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.permissions import ANY_SCOPE
from webapp.core.api import ApiView, ErrorBody
from webapp.core.fields import read
from webapp.experiments.feedback_selectors import deployment_feedback
from webapp.experiments.feedback_serializers import FeedbackAnswer, FeedbackQuery
from webapp.serving.selectors import deployment_get


class DeploymentFeedbackView(ApiView):
    scopes = {"GET": ANY_SCOPE}

    @extend_schema(
        operation_id="deployment_feedback",
        summary="What was shown and acted on, by revision, source, position, arm and hour",
        description="Counted from the log every few seconds. An action counts for the hour in which its item was shown, once for each "
        "item of a recommendation and type.",
        tags=["deployments"],
        parameters=[FeedbackQuery],
        responses={200: FeedbackAnswer, 400: ErrorBody, 404: ErrorBody},
    )
    def get(self, request: Request, name: str) -> Response:
        hours = read(FeedbackQuery, request.query_params.dict())["hours"]
        found = deployment_get(project=project_of(request), name=name)
        return Response(deployment_feedback(deployment=found, hours=hours))
