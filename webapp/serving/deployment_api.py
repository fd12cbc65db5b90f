"""Deployments over the API: made, changed, listed with their revisions, rolled back, withdrawn."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from engine.spec.deployment import DeploymentDocument
from webapp.accounts.authentication import project_of
from webapp.accounts.models import ApiKey, Project, Scope
from webapp.accounts.permissions import ANY_SCOPE
from webapp.core.api import ApiView, ErrorBody
from webapp.core.fields import read
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import model_version
from webapp.serving import deployment_selectors as selectors
from webapp.serving import deployment_services as services
from webapp.serving.deployment_serializers import (
    DeploymentAnswer,
    DeploymentBody,
    DeploymentsAnswer,
    RevisionsAnswer,
    RevisionsQuery,
    RollbackBody,
)
from webapp.serving.models import Deployment, DeploymentRevision

MANAGES = (Scope.MANAGE,)


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
        summary="Create a deployment or change its models and document",
        description="Replicas follow within seconds. What changes becomes a new revision. "
        "The project's first deployment becomes its default.",
        tags=["deployments"],
        request=DeploymentBody,
        responses={200: DeploymentAnswer, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def put(self, request: Request, name: str) -> Response:
        project = project_of(request)
        body = read(DeploymentBody, request.data)
        services.deployment_put(
            project=project,
            name=name,
            retrieval=_chosen(project, body["retrieval"]),
            ranking=_chosen(project, body["ranking"]),
            is_default=body["is_default"],
            document=body["document"],
            by=key_name(request),
            note=body["note"],
        )
        return Response(_deployment(selectors.deployment_get(project=project, name=name)))

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
        summary="Answer as a deployment did before its last change, or at a named revision",
        description="Models and document together, as a new revision; replicas follow within seconds. Called twice, it is as it was.",
        tags=["deployments"],
        request=RollbackBody,
        responses={200: DeploymentAnswer, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request, name: str) -> Response:
        project = project_of(request)
        number = read(RollbackBody, request.data or {})["revision"]
        found = selectors.deployment_get(project=project, name=name)
        services.deployment_roll_back(deployment=found, number=number, by=key_name(request))
        return Response(_deployment(selectors.deployment_get(project=project, name=name)))


class DeploymentRevisionsView(ApiView):
    scopes = {"GET": ANY_SCOPE}

    @extend_schema(
        operation_id="deployment_revisions",
        summary="What a deployment was, change by change, newest first",
        tags=["deployments"],
        parameters=[RevisionsQuery],
        responses={200: RevisionsAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, name: str) -> Response:
        query = read(RevisionsQuery, request.query_params.dict())
        found = selectors.revisions_of(deployment=selectors.deployment_get(project=project_of(request), name=name))
        if query["before"] is not None:
            found = found.filter(number__lt=query["before"])
        return Response({"revisions": [_revision(one) for one in found[: query["limit"]]]})


def key_name(request: Request) -> str:
    """Who changes something over the API, for a record of it."""
    return f"API key {cast(ApiKey, request.auth).name}"[:150]


def _chosen(project: Project, choice: dict[str, Any] | None) -> ModelVersion | None:
    return None if choice is None else model_version(project=project, name=choice["name"], version=choice["version"])


def _deployment(deployment: Deployment) -> dict[str, Any]:
    previous = selectors.previous_of(deployment)
    return {
        "name": deployment.name,
        "retrieval": _version(deployment.retrieval),
        "ranking": _version(deployment.ranking),
        "document": deployment.document or DeploymentDocument().as_json(),
        "revision": deployment.revision,
        "previous_retrieval": _version(previous.retrieval) if previous else None,
        "previous_ranking": _version(previous.ranking) if previous else None,
        "is_default": deployment.is_default,
        "is_active": deployment.is_active,
        "created_at": deployment.created_at,
        "updated_at": deployment.updated_at,
    }


def _revision(revision: DeploymentRevision) -> dict[str, Any]:
    return {
        "revision": revision.number,
        "retrieval": _version(revision.retrieval),
        "ranking": _version(revision.ranking),
        "document": revision.document,
        "created_at": revision.created_at,
        "created_by": revision.created_by,
        "note": revision.note,
    }


def _version(chosen: ModelVersion | None) -> dict[str, Any] | None:
    return None if chosen is None else {"name": chosen.model.name, "version": chosen.version}
