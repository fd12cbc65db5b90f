"""A web server that other people's clients can reach, and a replica behind it that answers as told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from tests.webapp.client import DEFINITION, PATIENT
from tests.webapp.replica_server import Answers, served
from webapp.accounts.models import ApiKey, Project, Scope
from webapp.accounts.services import api_key_create, project_create
from webapp.core.remembered import forget_everything
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.services import deployment_put, replica_report

TEXT = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "users": {"country": TEXT},
    "items": {"title": TEXT, "price": {"type": "float"}, "categories": {"type": "string_list"}, "comment": TEXT},
    "events": {
        "impression": {"role": "impression"},
        "click": {"role": "action", "properties": {"value": {"type": "float"}, "device": TEXT}},
    },
}


@pytest.fixture
def shop(transactional_db: None, _database_log: None) -> Project:
    project = project_create(slug="shop", name="Shop")
    schema_publish(project=project, document=SCHEMA)
    version = model_publish(project=project, name="near", document=DEFINITION)
    deployment_put(project=project, name="main", retrieval=version, ranking=None, document=PATIENT)
    return project


@pytest.fixture
def key(shop: Project) -> tuple[ApiKey, str]:
    return api_key_create(project=shop, name="theirs", scopes=list(Scope))


@pytest.fixture
def answers(shop: Project) -> Iterator[Answers]:
    found = Answers()
    with served(found) as address:
        replica_report(name="replica-1", address=address, started_at=timezone.now(), positions=[])
        forget_everything()
        yield found
