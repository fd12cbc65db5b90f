"""Publishing schemas and model definitions: checked, numbered, and never changed afterwards."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import transaction
from pydantic import TypeAdapter, ValidationError

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.spec.document import Name
from engine.spec.schema import Schema
from engine.streams import topics
from webapp.accounts.models import Account, Project
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict, Invalid
from webapp.core.log import event_log
from webapp.registry.models import Model, ModelVersion, SchemaVersion
from webapp.registry.selectors import schema_current, schema_forget

MAX_NOTE_LENGTH = 200

_name = TypeAdapter[str](Name)


def schema_publish(
    *, project: Project, document: object, note: str = "", account: Account | None = None
) -> SchemaVersion:
    """The document as the next schema version; an unchanged document answers the current one. Raises `InvalidDocument`."""
    note = _storable_note(note)
    written = Schema.parse(document, "schema").as_json()
    with transaction.atomic():
        # The project's row serializes numbering: two publishers never get the same version.
        Project.objects.select_for_update().get(pk=project.pk)
        current = SchemaVersion.objects.filter(project=project).order_by("-version").first()
        if current is not None and current.document == written:
            return current
        published = SchemaVersion.objects.create(
            project=project,
            version=current.version + 1 if current else 1,
            document=written,
            note=note,
            created_by=account,
        )
        audit_record(
            project=project, action="schema_publish", target=f"schema v{published.version}", details={"note": note}
        )
        transaction.on_commit(schema_forget)
    schema_forget()
    return published


def model_create(
    *, project: Project, name: str, document: object, note: str = "", account: Account | None = None
) -> ModelVersion:
    """A new model with its first version. Raises `Conflict` when the name is taken; otherwise as `model_publish`."""
    check_name("name", name)
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        if Model.objects.filter(project=project, name=name).exists():
            raise Conflict(f"There is already a model {name!r}.")
        return model_publish(project=project, name=name, document=document, note=note, account=account)


def model_publish(
    *, project: Project, name: str, document: object, note: str = "", account: Account | None = None
) -> ModelVersion:
    """The definition as the model's next version (its first, for a new name), checked against the current schema.

    An unchanged definition answers the current version. Raises `InvalidDocument`, `Invalid` for the name, `LogError`.
    """
    check_name("name", name)
    note = _storable_note(note)
    definition = ModelDefinition.parse(document, "model definition")
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        definition.check_against(Schema.parse(schema_current(project=project).document, "schema"))
        model, _ = Model.objects.get_or_create(project=project, name=name)
        if model.archived_at is not None:
            raise Conflict(f"Model {name} is archived; take it out of the archive first.")
        current = model.versions.order_by("-version").first()
        # Parsed, for a document stored by an older release lacks the fields that have come since, at their defaults.
        if current is not None and _parsed(current.document) == definition:
            return current
        published = ModelVersion.objects.create(
            model=model,
            version=current.version + 1 if current else 1,
            document=definition.as_json(),
            note=note,
            created_by=account,
        )
        target = f"model {name} v{published.version}"
        audit_record(project=project, action="model_publish", target=target, details={"note": note})
        event_log().create_topic(topics.params(project.slug, name, published.version))
    return published


def model_directory(*, model_version: ModelVersion) -> Path:
    """Where a model version's checkpoints and snapshots live."""
    model = model_version.model
    folder: Path = settings.DATA_DIR
    return folder / "models" / model.project.slug / model.name / f"v{model_version.version}"


def check_name(field: str, name: str) -> None:
    """Raises `Invalid` for what is not a declared name (`engine.spec.document.Name`)."""
    try:
        _name.validate_python(name)
    except ValidationError:
        rule = "must be lower case letters, digits and underscores, starting with a letter, at most 63"
        raise Invalid.field(field, rule, repr(name[:80])) from None


def _parsed(document: object) -> ModelDefinition | None:
    try:
        return ModelDefinition.parse(document)
    except InvalidDocument:
        return None


def _storable_note(note: str) -> str:
    """The note, cut to what its column holds. Raises `Invalid` for a NUL character, which PostgreSQL's text cannot hold."""
    if "\x00" in note:
        raise Invalid.field("note", "must not contain the NUL character", repr(note[:80]))
    return note[:MAX_NOTE_LENGTH]
