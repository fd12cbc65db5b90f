"""Experiments: start, look, stop, promote, roll back."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Project, Scope
from webapp.accounts.permissions import ANY_SCOPE
from webapp.core.api import ApiView, ErrorBody
from webapp.core.errors import Invalid, NotFound
from webapp.core.fields import read
from webapp.experiments import selectors, services
from webapp.experiments.feedback_selectors import shadow_feedback
from webapp.experiments.models import Arm, Experiment
from webapp.experiments.serializers import (
    ExperimentActionBody,
    ExperimentAnswer,
    ExperimentBody,
    ExperimentsAnswer,
)
from webapp.serving.deployment_api import key_name
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
        started = services.experiment_start(
            project=project,
            name=body["name"],
            arms=[_split(project, arm) for arm in body["arms"]],
            design=_design(project, body),
            by=key_name(request),
        )
        return Response(_with_shadows(started), status=201)


class ExperimentView(ApiView):
    scopes = {"GET": ANY_SCOPE, "POST": MANAGES}

    @extend_schema(
        operation_id="experiment_get",
        summary="Read an experiment, with metrics by arm",
        tags=["experiments"],
        responses={200: ExperimentAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, name: str) -> Response:
        return Response(_with_shadows(selectors.experiment_get(project=project_of(request), name=name)))

    @extend_schema(
        operation_id="experiment_act",
        summary="Stop an experiment or one arm of it, promote an arm, or undo that",
        description="`stop`: the default deployment answers everyone again; twice is harmless. `stop_arm`: the arm's users go to the "
        "control. `promote`: the arm's deployment becomes the default and the experiment ends. `roll_back`: what was the default "
        "before the promotion is it again.",
        tags=["experiments"],
        request=ExperimentActionBody,
        responses={200: ExperimentAnswer, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request, name: str) -> Response:
        body = read(ExperimentActionBody, request.data)
        project = project_of(request)
        experiment = selectors.experiment_get(project=project, name=name)
        match body["action"]:
            case "stop":
                services.experiment_stop(experiment=experiment, by=key_name(request))
            case "stop_arm":
                services.arm_stop(arm=_arm(experiment, body["arm"]), why={"by": key_name(request)})
            case "promote":
                services.experiment_promote(
                    experiment=experiment, arm=_arm(experiment, body["arm"]), by=key_name(request)
                )
            case "roll_back":
                services.experiment_roll_back(experiment=experiment)
        return Response(_with_shadows(selectors.experiment_get(project=project, name=name)))


def _split(project: Project, body: dict[str, Any]) -> tuple[Any, int]:
    return deployment_get(project=project, name=body["deployment"]), body["share"]


def _design(project: Project, body: dict[str, Any]) -> services.Design:
    holdout = body["holdout"]
    if holdout is not None:
        named = holdout["deployment"]
        holdout = (deployment_get(project=project, name=named) if named else None, holdout["share"])
    return services.Design(
        holdout=holdout,
        shadows=[_split(project, shadow) for shadow in body["shadows"]],
        control=body["control"],
        guardrails=[services.Rail(**rail) for rail in body["guardrails"]],
        metric=body["metric"],
        alpha=body["alpha"],
    )


def _arm(experiment: Experiment, name: str | None) -> Arm:
    if name is None:
        raise Invalid.field("arm", "is required for this action", "nothing")
    found = experiment.arms.select_related("deployment").filter(name=name).first()
    if found is None:
        raise NotFound(f"{experiment.name!r} has no arm {name!r}.")
    return found


def _experiment(experiment: Experiment) -> dict[str, Any]:
    return {
        "name": experiment.name,
        "arms": [
            {
                "name": arm.name,
                "kind": arm.kind,
                "deployment": arm.deployment.name if arm.deployment else None,
                "share": arm.share,
                "is_control": arm.is_control,
                "stopped_at": arm.stopped_at,
                "stopped_why": arm.stopped_why,
            }
            for arm in experiment.arms.all()
        ],
        "guardrails": [
            {"metric": rail.metric, "harm": rail.harm, "tolerance": rail.tolerance, "min_users": rail.min_users}
            for rail in experiment.guardrails.all()
        ],
        "metric": experiment.metric,
        "alpha": experiment.alpha,
        "is_running": experiment.is_running,
        "started_at": experiment.started_at,
        "stopped_at": experiment.stopped_at,
        "promoted": experiment.promoted_arm.name if experiment.promoted_arm else None,
        "promoted_at": experiment.promoted_at,
        "rolled_back_at": experiment.rolled_back_at,
        "results": experiment.results or None,
        "results_at": experiment.results_at,
    }


def _with_shadows(experiment: Experiment) -> dict[str, Any]:
    return {**_experiment(experiment), "shadows": shadow_feedback(experiment=experiment)}
