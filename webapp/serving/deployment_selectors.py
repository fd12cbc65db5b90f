"""Deployments and what they were before: revisions."""

from __future__ import annotations

from django.db.models import F, Prefetch, QuerySet

from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.serving.models import Deployment, DeploymentRevision

MODEL_PARTS = ("retrieval__model__project", "ranking__model__project", "project")
REVISION_PARTS = ("retrieval__model__project", "ranking__model__project")


def deployments_of(*, project: Project) -> QuerySet[Deployment]:
    """Every deployment of the project, by name; `previous_of` of each asks nothing more."""
    before = DeploymentRevision.objects.filter(number=F("deployment__revision") - 1).select_related(*REVISION_PARTS)
    known = Deployment.objects.filter(project=project).select_related(*MODEL_PARTS)
    return known.prefetch_related(Prefetch("revisions", queryset=before, to_attr="before")).order_by("name")


def deployment_get(*, project: Project, name: str) -> Deployment:
    """Raises `NotFound`."""
    deployment = deployments_of(project=project).filter(name=name).first()
    if deployment is None:
        raise NotFound(f"There is no deployment {name!r}.")
    return deployment


def deployments_active() -> list[Deployment]:
    """What replicas serve, of every project: `document` and `revision` stand on each."""
    return list(Deployment.objects.filter(is_active=True).select_related(*MODEL_PARTS).order_by("id"))


def previous_of(deployment: Deployment) -> DeploymentRevision | None:
    """What it would roll back to; None for its first revision."""
    before: list[DeploymentRevision] | None = getattr(deployment, "before", None)
    if before is None:
        return revisions_of(deployment=deployment).filter(number=deployment.revision - 1).first()
    return before[0] if before else None


def revisions_of(*, deployment: Deployment) -> QuerySet[DeploymentRevision]:
    """Every revision, newest first."""
    return deployment.revisions.select_related(*REVISION_PARTS).order_by("-number")


def revision_get(*, deployment: Deployment, number: int) -> DeploymentRevision:
    """Raises `NotFound`."""
    found = revisions_of(deployment=deployment).filter(number=number).first()
    if found is None:
        raise NotFound(f"{deployment.name!r} has no revision {number}.")
    return found
