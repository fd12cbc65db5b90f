"""Models put away: hidden from lists, neither trained nor deployed until they are taken out again. Nothing of them is deleted."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from webapp.accounts.models import Project
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict
from webapp.registry.models import Model, ModelVersion
from webapp.serving.models import Deployment
from webapp.training.models import Run, Search


def model_archive(*, model: Model) -> None:
    """Hide the model. Raises `Conflict`, naming where, while it is deployed, trained or searched over; archived already, it stays so."""
    with transaction.atomic():
        # The locks that deploying and starting a run take: neither can come between the look and the act.
        Project.objects.select_for_update().get(pk=model.project_id)
        list(ModelVersion.objects.select_for_update().filter(model=model).order_by("pk").values_list("pk"))
        used = uses_of(model=model)
        if used:
            raise Conflict(f"{model.name} is in use: {'; '.join(used)}. Stop and withdraw these first.", uses=used)
        if Model.objects.filter(pk=model.pk, archived_at=None).update(archived_at=Now()):
            audit_record(project=model.project, action="model_archive", target=f"model {model.name}")


def model_unarchive(*, model: Model) -> None:
    """Show it again, as it was."""
    with transaction.atomic():
        if Model.objects.filter(pk=model.pk).exclude(archived_at=None).update(archived_at=None):
            audit_record(project=model.project, action="model_unarchive", target=f"model {model.name}")


def uses_of(*, model: Model) -> list[str]:
    """What deploys or trains any version of it now, in words."""
    versions = ModelVersion.objects.filter(model=model)
    deployments = Deployment.objects.filter(project=model.project_id, is_active=True)
    deployed = deployments.filter(Q(retrieval__in=versions) | Q(ranking__in=versions)).order_by("name")
    runs = Run.objects.filter(model_version__in=versions, wanted=True).order_by("pk")
    searches = Search.objects.filter(model_version__in=versions, wanted=True).order_by("pk")
    return [
        *(f"deployment {name} answers with it" for name in deployed.values_list("name", flat=True)),
        *(f"run {pk} trains it ({mode})" for pk, mode in runs.values_list("pk", "mode")),
        *(f"search {pk} varies it" for pk in searches.values_list("pk", flat=True)),
    ]


def refuse_archived(*versions: ModelVersion | None) -> None:
    """Raises `Conflict` when one of these is of an archived model. Read now: call it under the lock that `model_archive` takes."""
    models = {version.model_id for version in versions if version is not None}
    archived = Model.objects.filter(pk__in=models).exclude(archived_at=None).order_by("name").first()
    if archived is not None:
        raise Conflict(f"Model {archived.name} is archived; take it out of the archive first.")
