"""Runs as the worker does them: over a file of examples, and on from another version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.streams.log import EventLog
from engine.training.state import TrainingState
from tests.engine.training.made import append_examples, make_definition, make_examples
from tests.engine.training.test_parquet_examples import rows_of
from webapp.accounts.models import Project
from webapp.registry.models import Model, ModelVersion
from webapp.training import services
from webapp.training.models import Run
from workers.folders import model_folder
from workers.tasks.train_batch import train_batch

pytestmark = pytest.mark.django_db(transaction=True)

DEFINITION = make_definition("deepfm")


@pytest.fixture
def versions(project: Project, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ModelVersion]:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr("webapp.core.jobs.send", lambda *_, **__: None)
    model = Model.objects.create(project=project, name="m")
    other = DEFINITION.as_json() | {"sparse_optimizer": {"kind": "adagrad", "learning_rate": 0.01}}
    documents = (DEFINITION.as_json(), other)
    return [
        ModelVersion.objects.create(model=model, version=number, document=document)
        for number, document in enumerate(documents, 1)
    ]


def finished(run: Run) -> Run:
    train_batch(run.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == ("succeeded", "")
    return run


def test_run_over_a_file_and_then_a_version_that_goes_on_from_it(
    versions: list[ModelVersion], log: EventLog, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    rows = rows_of(make_examples(192, origin="impression"))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "files" / "clicks.parquet")
    append_examples(log, project.slug, make_examples(64, seed=3, origin="impression"))
    first = finished(services.run_start(model_version=versions[0], mode="batch", input_file="clicks.parquet"))
    assert (first.num_examples, first.progress, first.end_offsets) == (192, 1.0, {})
    assert first.report["slots"] and first.latest["auc"] is not None

    second = finished(services.run_start(model_version=versions[1], mode="batch", start_from=versions[0]))
    # the file's examples were learned by the version before; the log is there whole
    assert (second.num_examples, second.end_offsets) == (192 + 64, {"0": 64})
    assert any("kept" in line for line in second.report["began_with"])
    assert (
        TrainingState.restore(
            make_definition("deepfm").parse(versions[1].document), model_folder(versions[1])
        ).progress.num_examples
        == 192 + 64
    )


def test_run_from_a_version_that_learned_nothing_fails_with_the_reason(versions: list[ModelVersion]) -> None:
    run = services.run_start(model_version=versions[1], mode="batch", start_from=versions[0])
    train_batch(run.pk)
    run.refresh_from_db()
    assert (run.state, run.wanted) == ("failed", False)
    assert "train it first" in run.error


def test_run_of_epochs_says_how_each_did(versions: list[ModelVersion], log: EventLog, project: Project) -> None:
    document = versions[0].document
    stopping = {"fraction": 0.2, "max_epochs": 2, "patience": 2}
    ModelVersion.objects.filter(pk=versions[0].pk).update(
        document={**document, "training": {**document["training"], "early_stopping": stopping}}
    )
    versions[0].refresh_from_db()
    append_examples(log, project.slug, make_examples(320, origin="impression"))
    run = finished(services.run_start(model_version=versions[0], mode="batch", continues_online=True))
    assert [each["epoch"] for each in run.report["epochs"]] == [0, 1]
    assert run.report["epochs"][0]["is_best"] and run.report["slots"]
    assert (run.progress, run.end_offsets) == (1.0, {"0": 320})
    assert Run.objects.get(mode="online").wanted
