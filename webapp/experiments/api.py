"""Experiments: start, look, stop."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.accounts.permissions import ANY_SCOPE
from webapp.core.api import ApiView, ErrorBody
from webapp.core.fields import read
from webapp.experiments import selectors, services
from webapp.experiments.models import Experiment
from webapp.experiments.serializers import (
    ExperimentActionBody,
    ExperimentAnswer,
    ExperimentBody,
    ExperimentsAnswer,
)
from webapp.serving.selectors import deployment_get

MANAGES = (Scope.MANAGE,)
NUM_EXPERIMENTS = 100


class ExperimentsView(ApiView):
    scopes = {"GET": ANY_SCOPE, "POST": MANAGES}

    @extend_schema(
        operation_id="experiments_list",
        summary="List the newest experiments",
        tags=["experiments"],
        responses={200: ExperimentsAnswer},
    )
    def get(self, request: Request) -> Response:
        found = selectors.experiments_of(project=project_of(request))[:NUM_EXPERIMENTS]
        return Response({"experiments": [_experiment(one) for one in found]})

    @extend_schema(
        operation_id="experiment_start",
        summary="Split traffic between deployments",
        description="Each user keeps the arm they fall into. Answers 409 while another experiment runs.",
        tags=["experiments"],
        request=ExperimentBody,
        responses={201: ExperimentAnswer, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request) -> Response:
        project = project_of(request)
        body = read(ExperimentBody, request.data)
        arms = [(deployment_get(project=project, name=arm["deployment"]), arm["share"]) for arm in body["arms"]]
        started = services.experiment_start(project=project, name=body["name"], arms=arms)
        return Response(_experiment(started), status=201)


class ExperimentView(ApiView):
    scopes = {"GET": ANY_SCOPE, "POST": MANAGES}

    @extend_schema(
        operation_id="experiment_get",
        summary="Read an experiment",
        tags=["experiments"],
        responses={200: ExperimentAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, name: str) -> Response:
        return Response(_experiment(selectors.experiment_get(project=project_of(request), name=name)))

    @extend_schema(
        operation_id="experiment_stop",
        summary="Stop an experiment",
        description="The default deployment answers everyone again. Stopping twice is harmless.",
        tags=["experiments"],
        request=ExperimentActionBody,
        responses={200: ExperimentAnswer, 400: ErrorBody, 404: ErrorBody},
    )
    def post(self, request: Request, name: str) -> Response:
        read(ExperimentActionBody, request.data)
        project = project_of(request)
        services.experiment_stop(experiment=selectors.experiment_get(project=project, name=name))
        return Response(_experiment(selectors.experiment_get(project=project, name=name)))


def _experiment(experiment: Experiment) -> dict[str, Any]:
    return {
        "name": experiment.name,
        "arms": [{"deployment": arm.deployment.name, "share": arm.share} for arm in experiment.arms.all()],
        "is_running": experiment.is_running,
        "started_at": experiment.started_at,
        "stopped_at": experiment.stopped_at,
    }
