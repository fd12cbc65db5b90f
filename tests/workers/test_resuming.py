"""A batch run that is stopped on its way saves when it is asked to, and goes on where it stood; nothing of its curves or log is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.spec.demo import demo_ranker, demo_schema
from engine.training import event_files
from engine.training.step_times import PHASES
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.training import run_charts, services
from webapp.training.event_folders import event_folder
from webapp.training.models import RunLogLine, RunMetric
from webapp.training.resuming import run_resume
from webapp.training.run_orders import checkpoint_order, orders_shown
from workers import run_orders, runs
from workers.tasks.train_batch import train_batch

pytestmark = pytest.mark.django_db(transaction=True)

NOON_MS = 1_769_860_800_000
NUM_EXAMPLES, BATCH = 640, 32


@pytest.fixture
def version(project: Project, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelVersion:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr("webapp.core.jobs.send", lambda *_, **__: None)
    for module, name in ((runs, "REPORT_EVERY_S"), (run_orders, "LOOK_EVERY_S"), (event_files, "MIN_SPACING_S")):
        monkeypatch.setattr(module, name, 0.0)
    examples = [
        {
            "user_id": f"u{number % 20}",
            "item_id": f"i{number % 30}",
            "event_time": NOON_MS + 1000 * number,
            "label.click": float(number % 3 == 0),
        }
        for number in range(NUM_EXAMPLES)
    ]
    (tmp_path / "files").mkdir()
    pq.write_table(pa.Table.from_pylist(examples), tmp_path / "files" / "examples.parquet")
    schema_publish(project=project, document=demo_schema())
    return model_publish(project=project, name="m", document=demo_ranker() | {"training": {"batch_size": BATCH}})


def test_stopped_run_goes_on_from_its_checkpoint(version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    run = services.run_start(model_version=version, mode="batch", input_file="examples.parquet")
    report, num_reports = services.run_report, 0

    def report_and_ask(**told: Any) -> bool:
        nonlocal num_reports
        num_reports += 1
        if num_reports == 3:
            checkpoint_order(run=run, asked_by="member")
        if num_reports == 8:
            services.run_stop(run=run)
        return report(**told)

    monkeypatch.setattr(services, "run_report", report_and_ask)
    train_batch(run.pk)
    run.refresh_from_db()
    (order,) = orders_shown(run=run)
    assert (run.state, run.error) == ("stopped", "")
    assert 0 < (order.num_examples or 0) <= run.num_examples < NUM_EXAMPLES
    stopped_at = run.num_examples

    run_resume(run=run)
    train_batch(run.pk)
    run.refresh_from_db()
    assert (run.state, run.num_examples, run.num_restarts) == ("succeeded", NUM_EXAMPLES, 1)
    counts = list(RunMetric.objects.filter(run=run).order_by("id").values_list("num_examples", flat=True))
    assert counts == sorted(counts) and stopped_at + BATCH in counts
    values = RunMetric.objects.filter(run=run).order_by("id")[4].values
    assert values["learning_rate.dense"] > 0 and 0 < values["busy_share"] <= 1
    assert values["step_ms.dense"] > 0 and {f"step_ms.{phase}" for phase in PHASES} <= values.keys()
    said = "\n".join(RunLogLine.objects.filter(run=run).values_list("message", flat=True))
    assert said.count(" started") == 2 and "a checkpoint was asked for by member" in said and "succeeded" in said
    steps = [event.step for event in event_files.read_events(event_folder(run)) if event.summary.value]
    assert steps[0] <= BATCH and steps[-1] == NUM_EXAMPLES and steps == sorted(steps)


def test_page_has_a_word_for_every_phase_of_a_step() -> None:
    assert [phase for phase, _ in run_charts.PHASES] == list(PHASES)
