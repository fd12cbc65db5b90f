"""Deployments: made, changed, rolled back, withdrawn. Every change is a numbered revision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from engine.errors import InvalidDocument, Problem
from engine.spec.architecture import kinds_of_ranking, kinds_of_retrieval
from engine.spec.deployment import DeploymentDocument
from webapp.accounts.models import Project
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict, Invalid
from webapp.experiments.models import Arm
from webapp.experiments.selectors import plans_forget
from webapp.registry.archiving import refuse_archived
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import schema_document
from webapp.registry.services import check_name
from webapp.serving.deployment_checking import document_checked
from webapp.serving.deployment_selectors import revision_get
from webapp.serving.models import Deployment, DeploymentRevision

KINDS_OF_ROLE = {"retrieval": kinds_of_retrieval(), "ranking": kinds_of_ranking()}


def deployment_put(
    *,
    project: Project,
    name: str,
    retrieval: ModelVersion | None,
    ranking: ModelVersion | None,
    is_default: bool | None = None,
    document: Mapping[str, Any] | None = None,
    by: str = "",
    note: str = "",
) -> Deployment:
    """Create the deployment or change it; what is not as it was becomes its next revision. The project's first becomes its default.

    `document` None keeps the one there is, or takes the defaults. `is_default=True` takes the default from another; None leaves it as it
    is. Raises `Invalid`, `InvalidDocument` with the fields under `document.`, `Conflict` for `is_default=False` on the default:
    something must answer.
    """
    check_name("name", name)
    _check_models(project, retrieval, ranking)
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        refuse_archived(retrieval, ranking)
        existing = Deployment.objects.filter(project=project, name=name).first()
        if document is None and existing is None and retrieval is None and ranking is None:
            raise Invalid.field("retrieval", "name a retrieval model, a ranking model, or both", "neither")
        wanted = document if document is not None else existing.document if existing else {}
        checked = _checked(project, wanted, retrieval, ranking)
        deployment = existing or Deployment(project=project, name=name)
        deployment.is_default = _take_default(project, name, is_default)
        changed = existing is None or _state(existing) != (retrieval, ranking, checked)
        if changed:
            deployment.revision += 1
        deployment.retrieval, deployment.ranking = retrieval, ranking
        deployment.document, deployment.is_active = checked.as_json(), True
        deployment.save()
        if changed:
            DeploymentRevision.objects.create(
                deployment=deployment,
                number=deployment.revision,
                document=deployment.document,
                retrieval=retrieval,
                ranking=ranking,
                created_by=by,
                note=note,
            )
        if changed or is_default:
            audit_record(
                project=project,
                action="deployment_put",
                target=f"deployment {name}",
                details={"revision": deployment.revision, "is_default": deployment.is_default, "note": note},
            )
    plans_forget()
    return deployment


def deployment_roll_back(*, deployment: Deployment, number: int | None = None, by: str = "") -> Deployment:
    """Answer as revision `number` did, or as the one before this; it becomes a revision of its own, so a second time undoes the first.

    Replicas still hold the earlier version's snapshots and deltas, so that they switch within seconds. Raises `NotFound`,
    `Conflict` when there is nothing to go back to, `InvalidDocument` when the schema has left that document behind.
    """
    if number is None and not deployment.can_roll_back:
        raise Conflict(f"{deployment.name!r} has had no other versions to go back to.")
    target = revision_get(deployment=deployment, number=deployment.revision - 1 if number is None else number)
    return deployment_put(
        project=deployment.project,
        name=deployment.name,
        retrieval=target.retrieval,
        ranking=target.ranking,
        document=target.document,
        by=by,
        note=f"back to revision {target.number}",
    )


def deployment_make_default(*, deployment: Deployment) -> None:
    """It answers whoever names no deployment and is in no experiment."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=deployment.project_id)
        Deployment.objects.filter(project=deployment.project_id, is_default=True).update(is_default=False)
        Deployment.objects.filter(pk=deployment.pk).update(is_default=True, is_active=True)
        target = f"deployment {deployment.name}"
        audit_record(project=deployment.project, action="deployment_make_default", target=target)
    plans_forget()


def deployment_delete(*, deployment: Deployment) -> None:
    """Take it out of service. Raises `Conflict` for the default while there are others, and for an arm of a running experiment."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=deployment.project_id)
        others = Deployment.objects.filter(project=deployment.project_id).exclude(pk=deployment.pk)
        if Deployment.objects.filter(pk=deployment.pk, is_default=True).exists() and others.exists():
            raise Conflict(f"{deployment.name!r} is the default deployment; make another one the default first.")
        Arm.objects.filter(deployment=deployment, experiment__is_running=False).update(deployment=None)
        try:
            deployment.delete()
        except ProtectedError as error:
            raise Conflict(f"{deployment.name!r} is an arm of the running experiment; stop that first.") from error
        audit_record(project=deployment.project, action="deployment_delete", target=f"deployment {deployment.name}")
    plans_forget()


def _take_default(project: Project, name: str, is_default: bool | None) -> bool:
    """Whether the deployment is the default from now on; another that was loses it."""
    others = Deployment.objects.filter(project=project, is_default=True).exclude(name=name)
    has_other = others.exists()
    if is_default is False and not has_other:
        raise Conflict("This is the default deployment; make another one the default instead.")
    becomes = is_default or not has_other
    if becomes and has_other:
        others.update(is_default=False)
    return becomes


def _state(deployment: Deployment) -> tuple[ModelVersion | None, ModelVersion | None, DeploymentDocument]:
    return deployment.retrieval, deployment.ranking, DeploymentDocument.parse(deployment.document)


def _checked(
    project: Project, document: Any, retrieval: ModelVersion | None, ranking: ModelVersion | None
) -> DeploymentDocument:
    try:
        return document_checked(document, schema=schema_document(project=project), retrieval=retrieval, ranking=ranking)
    except InvalidDocument as error:
        problems = [Problem(f"document.{one.field}", one.rule, one.received) for one in error.problems]
        raise InvalidDocument("the deployment", problems) from error


def _check_models(project: Project, retrieval: ModelVersion | None, ranking: ModelVersion | None) -> None:
    for role, chosen in (("retrieval", retrieval), ("ranking", ranking)):
        if chosen is None:
            continue
        if chosen.model.project_id != project.pk:
            raise Invalid.field(role, "must be a model of this project", repr(str(chosen)))
        kind = chosen.document["architecture"]["kind"]
        if kind not in KINDS_OF_ROLE[role]:
            raise Invalid.field(role, f"must be a {role} model: {', '.join(KINDS_OF_ROLE[role])}", repr(kind))
