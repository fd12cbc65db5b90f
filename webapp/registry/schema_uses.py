"""Which models a change of the schema concerns."""

from __future__ import annotations

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from webapp.accounts.models import Project
from webapp.registry.schema_meaning import ModelInUse
from webapp.registry.selectors import newest_versions
from webapp.training.models import Run


def models_in_use(*, project: Project) -> list[ModelInUse]:
    """The newest version of every model that is not archived; one that no longer parses is left out."""
    at_work = Run.objects.filter(project=project, wanted=True, state=Run.State.RUNNING)
    training = set(at_work.values_list("model_version_id", flat=True))
    found = []
    for version in newest_versions(project=project):
        try:
            definition = ModelDefinition.parse(version.document)
        except InvalidDocument:
            continue
        found.append(ModelInUse(version.model.name, version.version, definition, version.pk in training))
    return found
