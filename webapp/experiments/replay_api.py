"""Replays of logged traffic over the API: asked for, listed, looked at, stopped."""

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
from webapp.experiments.models import Replay
from webapp.experiments.replay_selectors import replay_get, replays_of
from webapp.experiments.replay_services import MAX_ANSWERS, MAX_HOURS, Wanted, replay_start, replay_stop
from webapp.serving.deployment_api import key_name
from webapp.serving.selectors import deployment_get

MANAGES = (Scope.MANAGE,)
NUM_REPLAYS = 50


class ReplayBody(RequestBody):
    event_type = serializers.CharField(
        default=None,
        allow_null=True,
        max_length=63,
        help_text="what an answer is to earn; the first action unless told",
    )
    logged = serializers.CharField(
        default="", allow_blank=True, max_length=63, help_text="whose answers are replayed; empty: every deployment's"
    )
    hours = serializers.IntegerField(default=24, min_value=1, max_value=MAX_HOURS)
    max_answers = serializers.IntegerField(
        default=5_000, min_value=1, max_value=MAX_ANSWERS, help_text="the newest so many"
    )


class ReplayActionBody(RequestBody):
    action = serializers.ChoiceField(choices=["stop"])


class BoundedEstimate(serializers.Serializer[Any]):
    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class ReplayResults(serializers.Serializer[Any]):
    logged = BoundedEstimate(help_text="actions for each answer, as it was")
    ips = BoundedEstimate(help_text="as it would have been: inverse propensity scores")
    snips = BoundedEstimate(help_text="the same, self-normalised")
    dr = BoundedEstimate(help_text="doubly robust")
    effective_size = serializers.FloatField(help_text="answers of the deployment's own log that these are worth")
    match_share = serializers.FloatField(help_text="of places where it shows what was logged")
    explored_share = serializers.FloatField(help_text="of places that were not certain to be shown")
    num_degraded = serializers.IntegerField(help_text="answers that said they were less than they should be")
    warnings = serializers.ListField(child=serializers.CharField())


class TrafficReplayAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    deployment = serializers.CharField()
    revision = serializers.IntegerField(help_text="0 until it has answered")
    logged = serializers.CharField()
    event_type = serializers.CharField()
    hours = serializers.IntegerField()
    max_answers = serializers.IntegerField()
    state = serializers.ChoiceField(choices=Replay.State.choices)
    num_answers = serializers.IntegerField()
    num_done = serializers.IntegerField()
    results = ReplayResults(allow_null=True)
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class ReplaysAnswer(serializers.Serializer[Any]):
    replays = TrafficReplayAnswer(many=True)


class DeploymentReplaysView(ApiView):
    scopes = {"GET": ANY_SCOPE, "POST": MANAGES}

    @extend_schema(
        operation_id="replays_list",
        summary="Replays of logged traffic through a deployment",
        tags=["experiments"],
        responses={200: ReplaysAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, name: str) -> Response:
        found = deployment_get(project=project_of(request), name=name)
        return Response({"replays": [_replay(one) for one in replays_of(deployment=found)[:NUM_REPLAYS]]})

    @extend_schema(
        operation_id="replay_start",
        summary="Replay logged traffic through a deployment, with off-policy estimates",
        description="Asks the deployment what it would have answered to requests that were logged, and estimates what that would have "
        "earned from the propensities of what was shown.",
        tags=["experiments"],
        request=ReplayBody,
        responses={201: TrafficReplayAnswer, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request, name: str) -> Response:
        body = read(ReplayBody, request.data or {})
        found = deployment_get(project=project_of(request), name=name)
        return Response(
            _replay(replay_start(deployment=found, wanted=Wanted(**body), by=key_name(request))), status=201
        )


class ReplayView(ApiView):
    scopes = {"GET": ANY_SCOPE, "POST": MANAGES}

    @extend_schema(
        operation_id="replay_get",
        summary="Read a replay",
        tags=["experiments"],
        responses={200: TrafficReplayAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, replay_id: int) -> Response:
        return Response(_replay(replay_get(project=project_of(request), replay_id=replay_id)))

    @extend_schema(
        operation_id="replay_stop",
        summary="Stop a replay",
        tags=["experiments"],
        request=ReplayActionBody,
        responses={200: TrafficReplayAnswer, 400: ErrorBody, 404: ErrorBody},
    )
    def post(self, request: Request, replay_id: int) -> Response:
        read(ReplayActionBody, request.data)
        found = replay_get(project=project_of(request), replay_id=replay_id)
        return Response(_replay(replay_stop(replay=found)))


def _replay(replay: Replay) -> dict[str, Any]:
    return {
        "id": replay.pk,
        "deployment": replay.deployment.name,
        "revision": replay.revision,
        "logged": replay.logged,
        "event_type": replay.event_type,
        "hours": replay.hours,
        "max_answers": replay.max_answers,
        "state": replay.state,
        "num_answers": replay.num_answers,
        "num_done": replay.num_done,
        "results": replay.results or None,
        "error": replay.error,
        "created_at": replay.created_at,
        "finished_at": replay.finished_at,
    }
