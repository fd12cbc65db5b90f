"""Files in the data folder: what each holds, how long it is, and how the console and the API start a run on one."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client

from tests.webapp.client import DEFINITION, Api
from webapp.accounts.models import Project
from webapp.core.errors import Invalid
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish
from webapp.training.example_files import Holds, example_file, run_file, run_files
from webapp.training.models import Run

LINES = b'{"type": "click"}\n\n{"type": "click"}\n'


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(LINES)
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(LINES))
    (folder / "c.csv").write_text("user_id,item_id,event_time,label.click\nu,i,5,1\n")
    (folder / "d.csv").write_text("who,what\nu,i\nv,i\n")
    (folder / "d.csv.mapping.json").write_text("{}")
    pq.write_table(pa.table({"label.click": [1.0] * 5}), folder / "e.parquet")
    (folder / "f.parquet").write_bytes(b"PAR1 no")
    (folder / "notes.txt").write_text("kept out")
    return folder


def test_it_says_of_each_file_what_it_holds_and_how_long_it_is(folder: Path) -> None:
    described = {file.name: (file.num_rows, file.holds) for file in run_files()}
    assert described == {
        "a.jsonl": (2, Holds.EVENTS),
        "b.jsonl.gz": (2, Holds.EVENTS),
        "c.csv": (1, Holds.EXAMPLES),
        "d.csv": (2, Holds.EVENTS),
        "e.parquet": (5, Holds.EXAMPLES),
        "f.parquet": (None, None),
    }
    sizes = {file.name: file.num_bytes for file in run_files()}
    assert sizes["a.jsonl"] == len(LINES)
    assert run_files()[-1].problem


def test_it_looks_again_when_a_file_changes(folder: Path) -> None:
    assert run_files()[0].num_rows == 2
    (folder / "a.jsonl").write_bytes(LINES * 3)
    assert run_files()[0].num_rows == 6


@pytest.mark.parametrize(
    "name", ["", "../secret.csv", "notes.txt", "absent.csv", "f.parquet", "/etc/passwd", "d.csv.mapping.json"]
)
def test_it_opens_no_other_file(folder: Path, name: str) -> None:
    with pytest.raises(Invalid):
        run_file(name)


def test_it_searches_over_examples_alone(folder: Path) -> None:
    assert example_file("c.csv") == folder / "c.csv"
    with pytest.raises(Invalid, match="holds events"):
        example_file("a.jsonl")


@pytest.fixture
def version(project: Project) -> ModelVersion:
    return model_publish(project=project, name="retrieval", document=DEFINITION)


def test_it_lists_the_files_with_a_button_for_each(
    browser: Client, project: Project, version: ModelVersion, folder: Path
) -> None:
    page = browser.get(f"/p/{project.slug}/models/retrieval/").content.decode()
    for name in ("a.jsonl", "b.jsonl.gz", "c.csv", "d.csv", "e.parquet"):
        assert f'name="input_file" value="{name}"' in page
    assert 'value="f.parquet"' not in page and "f.parquet" in page and "notes.txt" not in page
    answer = browser.post(f"/p/{project.slug}/models/retrieval/v1/run", {"mode": "batch", "input_file": "a.jsonl"})
    assert answer.headers["Location"] == f"/p/{project.slug}/runs/{Run.objects.get().pk}/"
    assert Run.objects.get().input_file == "a.jsonl"


def test_it_says_what_may_lie_there_when_nothing_does(
    browser: Client, project: Project, version: ModelVersion, settings: Any, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    page = browser.get(f"/p/{project.slug}/models/retrieval/").content.decode()
    assert "label.click" in page and "Batch run on" not in page


def test_it_refuses_a_file_that_cannot_be_read(api: Api, version: ModelVersion, folder: Path) -> None:
    answer = api.post("/models/retrieval/runs", {"mode": "batch", "input_file": "f.parquet"})
    assert answer.status_code == 400 and "cannot be read" in answer.content.decode()
