"""The project that is under fire: a schema, a model that trains online, a deployment and a key."""

from __future__ import annotations

from dataclasses import dataclass

from webapp.accounts.models import Project
from webapp.accounts.services import api_key_create, project_create
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.services import deployment_put
from webapp.training.models import Run
from webapp.training.services import run_start


@dataclass(frozen=True)
class Subject:
    project: Project
    run: Run
    api_key: str


def subject_create(*, schema: dict[str, object], definition: dict[str, object]) -> Subject:
    """Makes all of it in the database that Django is set up with."""
    project = project_create(slug="chaos", name="Under fire")
    schema_publish(project=project, document=schema)
    version = model_publish(project=project, name="retrieval", document=definition)
    deployment_put(project=project, name="main", retrieval=version, ranking=None)
    _, secret = api_key_create(project=project, name="chaos", scopes=["ingest", "recommend"])
    return Subject(project, run_start(model_version=version, mode=Run.Mode.ONLINE), secret)
