"""The list of models: what each is for, how it does, where it answers, and how large it is; in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from webapp.accounts.models import Project
from webapp.registry.architecture_titles import ABOUT
from webapp.registry.models import Model, ModelVersion
from webapp.serving.models import Deployment
from webapp.training.models import Run

_HEADLINES: Final = {True: ("hr_at_10", "HR@10"), False: ("auc", "AUC")}


@dataclass(frozen=True, slots=True)
class ListedModel:
    """`run` is the newest of any version; `headline` its metric, by what the model is for, and the metric's name."""

    model: Model
    version: ModelVersion
    is_retrieval: bool
    run: Run | None
    headline: float | None
    headline_name: str
    deployments: list[str]
    num_rows: int | None
    num_bytes: int | None


def listed_models(*, project: Project, archived: bool = False) -> list[ListedModel]:
    """Models in use, or those in the archive, by name."""
    newest = ModelVersion.objects.filter(model__project=project, model__archived_at__isnull=not archived)
    versions = list(newest.select_related("model").order_by("model__name", "-version").distinct("model__name"))
    runs = _newest_runs(project)
    deployed = _deployments(project)
    return [_listed(version, runs, deployed) for version in versions]


def num_archived(*, project: Project) -> int:
    return Model.objects.filter(project=project).exclude(archived_at=None).count()


def deployments_of(*, project: Project, model: Model) -> list[str]:
    """Names of the deployments that answer with any version of the model."""
    return _deployments(project).get(model.pk, [])


def _listed(version: ModelVersion, runs: Mapping[int, Run], deployed: Mapping[int, list[str]]) -> ListedModel:
    kind = str(version.document.get("architecture", {}).get("kind", ""))
    is_retrieval = kind in ABOUT and ABOUT[kind].is_retrieval
    run = runs.get(version.model_id)
    metric, title = _HEADLINES[is_retrieval]
    latest: Mapping[str, Any] = run.latest if run else {}
    return ListedModel(
        version.model,
        version,
        is_retrieval,
        run,
        latest.get(metric),
        title,
        deployed.get(version.model_id, []),
        latest.get("table_rows"),
        latest.get("table_bytes"),
    )


def _newest_runs(project: Project) -> dict[int, Run]:
    """By model, the newest run of any version."""
    runs: QuerySet[Run] = Run.objects.filter(project=project).defer("report").select_related("model_version")
    newest = runs.order_by("model_version__model_id", "-id").distinct("model_version__model_id")
    return {run.model_version.model_id: run for run in newest}


def _deployments(project: Project) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    rows = Deployment.objects.filter(project=project, is_active=True).order_by("name")
    for name, *models in rows.values_list("name", "retrieval__model_id", "ranking__model_id"):
        for model in models:
            if model is not None:
                found.setdefault(model, []).append(name)
    return found
