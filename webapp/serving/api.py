"""POST /recommend, deployments, and how far a model's parameters have travelled."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Project, Scope
from webapp.accounts.permissions import ANY_SCOPE
from webapp.core.api import ApiView, ErrorBody
from webapp.core.fields import read
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import model_version
from webapp.registry.serializers import ModelQuery
from webapp.serving import selectors, services
from webapp.serving.freshness_series import freshness_of
from webapp.serving.models import Deployment
from webapp.serving.serializers import (
    DeploymentAnswer,
    DeploymentBody,
    DeploymentsAnswer,
    RecommendAnswer,
    RecommendBody,
    SyncAnswer,
)

MANAGES = (Scope.MANAGE,)


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


class DeploymentsView(ApiView):
    scopes = {"GET": ANY_SCOPE}

    @extend_schema(
        operation_id="deployments_list",
        summary="List deployments",
        tags=["deployments"],
        responses={200: DeploymentsAnswer},
    )
    def get(self, request: Request) -> Response:
        found = selectors.deployments_of(project=project_of(request))
        return Response({"deployments": [_deployment(one) for one in found]})


class DeploymentView(ApiView):
    scopes = {"GET": ANY_SCOPE, "PUT": MANAGES, "DELETE": MANAGES}

    @extend_schema(
        operation_id="deployment_get",
        summary="Read a deployment",
        tags=["deployments"],
        responses={200: DeploymentAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, name: str) -> Response:
        return Response(_deployment(selectors.deployment_get(project=project_of(request), name=name)))

    @extend_schema(
        operation_id="deployment_put",
        summary="Create a deployment or change its models",
        description="Replicas follow within seconds. The project's first deployment becomes its default.",
        tags=["deployments"],
        request=DeploymentBody,
        responses={200: DeploymentAnswer, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def put(self, request: Request, name: str) -> Response:
        project = project_of(request)
        body = read(DeploymentBody, request.data)
        deployment = services.deployment_put(
            project=project,
            name=name,
            retrieval=_chosen(project, body["retrieval"]),
            ranking=_chosen(project, body["ranking"]),
            is_default=body["is_default"],
        )
        return Response(_deployment(deployment))

    @extend_schema(
        operation_id="deployment_delete",
        summary="Take a deployment out of service",
        tags=["deployments"],
        responses={204: None, 404: ErrorBody, 409: ErrorBody},
    )
    def delete(self, request: Request, name: str) -> Response:
        found = selectors.deployment_get(project=project_of(request), name=name)
        services.deployment_delete(deployment=found)
        return Response(status=204)


class DeploymentRollbackView(ApiView):
    scopes = {"POST": MANAGES}

    @extend_schema(
        operation_id="deployment_roll_back",
        summary="Answer with the versions a deployment had before its last change",
        description="Replicas follow within seconds. Called twice, it is as it was.",
        tags=["deployments"],
        request=None,
        responses={200: DeploymentAnswer, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request, name: str) -> Response:
        found = selectors.deployment_get(project=project_of(request), name=name)
        return Response(_deployment(services.deployment_roll_back(deployment=found)))


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


def _chosen(project: Project, choice: dict[str, Any] | None) -> ModelVersion | None:
    return None if choice is None else model_version(project=project, name=choice["name"], version=choice["version"])


def _deployment(deployment: Deployment) -> dict[str, Any]:
    return {
        "name": deployment.name,
        "retrieval": _version(deployment.retrieval),
        "ranking": _version(deployment.ranking),
        "previous_retrieval": _version(deployment.previous_retrieval),
        "previous_ranking": _version(deployment.previous_ranking),
        "is_default": deployment.is_default,
        "is_active": deployment.is_active,
        "created_at": deployment.created_at,
        "updated_at": deployment.updated_at,
    }


def _version(chosen: ModelVersion | None) -> dict[str, Any] | None:
    return None if chosen is None else {"name": chosen.model.name, "version": chosen.version}
