"""Schemas and model definitions, by version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, QuerySet

from engine.spec.block_validation import BlockValidator
from engine.spec.schema import Schema
from engine.spec.source_types import SourceType, source_types
from engine.spec.validation import EventValidator
from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.core.remembered import OUTAGE_S, Remembered
from webapp.registry.models import Model, ModelVersion, SchemaVersion

SCHEMA_KEPT_S = 1.5


@dataclass(frozen=True, slots=True)
class CompiledSchema:
    """One version of a project's schema, and what judges events by it: row by row, and in blocks straight into the log's bytes."""

    version: int
    schema: Schema
    validator: EventValidator
    blocks: BlockValidator


_current: Remembered[int, CompiledSchema] = Remembered(SCHEMA_KEPT_S, stale_s=OUTAGE_S)
# A version never changes, so what was compiled from it is good for ever; the bound is for memory alone.
_compiled: Remembered[tuple[int, int], CompiledSchema] = Remembered(float("inf"), max_entries=256)


def schema_current(*, project: Project) -> SchemaVersion:
    """The newest schema version, from PostgreSQL. Raises `NotFound` (a project always has one once it is made)."""
    current = SchemaVersion.objects.filter(project=project).order_by("-version").first()
    if current is None:
        raise NotFound(f"Project {project.slug!r} has no schema.")
    return current


def schema_versions(*, project: Project) -> QuerySet[SchemaVersion]:
    """Every version, newest first."""
    return SchemaVersion.objects.filter(project=project).select_related("created_by").order_by("-version")


def schema_version(*, project: Project, version: int) -> SchemaVersion:
    """Raises `NotFound`."""
    found = schema_versions(project=project).filter(version=version).first()
    if found is None:
        raise NotFound(f"The schema has no version {version}.")
    return found


def source_types_of(*, version: ModelVersion) -> dict[str, SourceType]:
    """What the sources of a model's version were when it was made, by the schema of that moment; nothing for a project without one."""
    versions = SchemaVersion.objects.filter(project=version.model.project)
    found = versions.filter(created_at__lte=version.created_at).order_by("-version").first()
    found = found or versions.order_by("version").first()
    return {} if found is None else source_types(Schema.parse(found.document, "schema"))


def schema_document(*, project: Project) -> Schema:
    """The current schema; one published by another process is seen within `SCHEMA_KEPT_S`."""
    return schema_compiled(project=project).schema


def event_validator(*, project: Project) -> EventValidator:
    """The current schema, compiled once for each version; as fresh as `schema_document`."""
    return schema_compiled(project=project).validator


def schema_compiled(*, project: Project) -> CompiledSchema:
    """The current schema and its validators, all of one version; as fresh as `schema_document`."""
    return _current.get(project.pk, lambda: _read_current(project))


def schema_forget() -> None:
    """Ask PostgreSQL again at the next request."""
    _current.forget()


def _read_current(project: Project) -> CompiledSchema:
    current = schema_current(project=project)

    def compiled() -> CompiledSchema:
        schema = Schema.parse(current.document, "schema")
        return CompiledSchema(current.version, schema, EventValidator(schema), BlockValidator(schema))

    return _compiled.get((project.pk, current.version), compiled)


def models_of(*, project: Project) -> QuerySet[Model]:
    """Models in use, by name, each with `newest_version`."""
    models = Model.objects.filter(project=project, archived_at__isnull=True)
    return models.annotate(newest_version=Max("versions__version")).order_by("name")


def model_rows(*, project: Project) -> list[dict[str, Any]]:
    """Models in use, by name: `name`, `newest_version`, `created_at`."""
    models = Model.objects.filter(project=project, archived_at__isnull=True).annotate(
        newest_version=Max("versions__version")
    )
    return [dict(row) for row in models.order_by("name").values("name", "newest_version", "created_at")]


def newest_versions(*, project: Project) -> QuerySet[ModelVersion]:
    """The newest version of each model in use, by the model's name."""
    versions = ModelVersion.objects.filter(model__project=project, model__archived_at__isnull=True)
    return versions.select_related("model").order_by("model__name", "-version").distinct("model__name")


def versions_of_kinds(*, project: Project, kinds: Sequence[str]) -> QuerySet[ModelVersion]:
    """Every version of one of these kinds of architecture, by model, newest first; not those of archived models."""
    versions = ModelVersion.objects.filter(
        model__project=project, model__archived_at__isnull=True, document__architecture__kind__in=kinds
    )
    return versions.select_related("model").order_by("model__name", "-version")


def model_get(*, project: Project, name: str) -> Model:
    """Raises `NotFound`."""
    model = Model.objects.filter(project=project, name=name).first()
    if model is None:
        raise NotFound(f"There is no model {name!r}.")
    return model


def model_version(*, project: Project, name: str, version: int | None = None) -> ModelVersion:
    """One version of a model, the newest unless told. Raises `NotFound`."""
    versions = ModelVersion.objects.select_related("model", "model__project").filter(
        model__project=project, model__name=name
    )
    found = versions.order_by("-version").first() if version is None else versions.filter(version=version).first()
    if found is None:
        raise NotFound(
            f"There is no model {name!r}." if version is None else f"Model {name!r} has no version {version}."
        )
    return found


def model_versions(*, model: Model) -> QuerySet[ModelVersion]:
    """Every version, newest first."""
    return ModelVersion.objects.filter(model=model).select_related("created_by").order_by("-version")
