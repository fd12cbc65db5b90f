"""Runs that begin otherwise: with what another version learned, or over a file of examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client

from tests.webapp.client import DEFINITION, Api
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.training.models import Run


@pytest.fixture
def versions(project: Project) -> list[ModelVersion]:
    other = {**DEFINITION, "training": {"batch_size": 64}}
    return [model_publish(project=project, name="retrieval", document=document) for document in (DEFINITION, other)]


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    folder = tmp_path / "files"
    folder.mkdir()
    pq.write_table(pa.table({"label.click": [1.0]}), folder / "clicks.parquet")
    (folder / "notes.txt").write_text("")
    return folder


def test_it_begins_with_what_another_version_learned(api: Api, versions: list[ModelVersion]) -> None:
    answer = api.post("/models/retrieval/runs", {"mode": "online", "start_from": 1})
    assert (answer.status_code, answer.json()["version"], answer.json()["start_from"]) == (201, 2, 1)
    assert Run.objects.get().start_from == versions[0]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"mode": "online", "start_from": 2}, 400),
        ({"mode": "online", "start_from": 9}, 404),
        ({"mode": "batch", "input_file": "../secret.parquet"}, 400),
        ({"mode": "batch", "input_file": "absent.parquet"}, 400),
        ({"mode": "batch", "input_file": "notes.txt"}, 400),
        ({"mode": "online", "input_file": "clicks.parquet"}, 400),
        ({"mode": "batch", "input_file": "clicks.parquet", "start_from": 1}, 400),
    ],
)
def test_it_refuses_a_beginning_that_makes_no_sense(
    api: Api, versions: list[ModelVersion], files: Path, body: dict[str, Any], status: int
) -> None:
    assert api.post("/models/retrieval/runs", body).status_code == status
    assert not Run.objects.exists()


def test_it_refuses_rows_that_would_mean_something_else(
    api: Api, project: Project, versions: list[ModelVersion]
) -> None:
    slots = [{**slot, "dim": 4} for slot in DEFINITION["slots"]]
    model_publish(project=project, name="retrieval", document={**DEFINITION, "slots": slots})
    answer = api.post("/models/retrieval/runs", {"mode": "online", "start_from": 1})
    assert answer.status_code == 400
    assert "dim" in str(answer.json()["extra"]["problems"])


def test_it_learns_from_a_file_of_examples(api: Api, versions: list[ModelVersion], files: Path) -> None:
    answer = api.post("/models/retrieval/runs", {"mode": "batch", "input_file": "clicks.parquet"})
    assert (answer.status_code, answer.json()["input_file"]) == (201, "clicks.parquet")


@pytest.mark.usefixtures("files")
def test_it_offers_earlier_versions_and_files_on_the_models_page(
    client: Client, project: Project, versions: list[ModelVersion], django_user_model: Any
) -> None:
    from webapp.accounts.models import Membership

    account = django_user_model.objects.create_user("member", password="a long enough password")
    Membership.objects.create(account=account, project=project)
    client.force_login(account)
    page = client.get(f"/p/{project.slug}/models/retrieval/").content.decode()
    assert "Begin with what this version learned" in page and "clicks.parquet" in page and "notes.txt" not in page
    answer = client.post(f"/p/{project.slug}/models/retrieval/v2/run", {"mode": "batch", "start_from": "1"})
    run = Run.objects.get()
    assert answer.headers["Location"].endswith(f"/runs/{run.pk}/")
    assert run.start_from == versions[0]
    shown = client.get(f"/p/{project.slug}/runs/{run.pk}/details").content.decode()
    assert "Began with" in shown and str(versions[0]) in shown


def test_it_refuses_ids_of_another_type_of_property(api: Api, project: Project) -> None:
    def schema(kind: str) -> dict[str, Any]:
        return {"items": {"year": {"type": kind}}, "events": {"click": {}}}

    slots = [*DEFINITION["slots"], {"name": "year", "number": 99, "source": "item.year"}]
    for version, kind in enumerate(("integer", "string"), 1):
        schema_publish(project=project, document=schema(kind))
        document = {**DEFINITION, "slots": slots, "training": {"seed": version}}
        model_publish(project=project, name="retrieval", document=document)
    answer = api.post("/models/retrieval/runs", {"mode": "online", "start_from": 1})
    assert answer.status_code == 400
    assert "the type of item.year changed from integer to string" in str(answer.json()["extra"]["problems"])
