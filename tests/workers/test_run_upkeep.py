"""What a run's worker does beside training: its log, checkpoints that were asked for, event files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError

from engine.spec.demo import demo_retriever, demo_schema
from engine.training.event_files import read_events
from webapp.accounts.models import Project
from webapp.registry.services import model_publish, schema_publish
from webapp.training.event_folders import event_folder
from webapp.training.models import Run, RunLogLine
from webapp.training.run_orders import checkpoint_order, orders_shown
from webapp.training.services import run_start, run_started
from workers import run_log, run_metrics, run_orders
from workers.run_log import kept_log
from workers.run_metrics import RunEvents, forget_old
from workers.run_orders import CheckpointOrders

logger = logging.getLogger("engine.training.example")


@pytest.fixture(autouse=True)
def _always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_orders, "LOOK_EVERY_S", 0.0)


@pytest.fixture
def run(project: Project, settings: Any, tmp_path: Path) -> Run:
    settings.DATA_DIR = tmp_path
    schema_publish(project=project, document=demo_schema())
    version = model_publish(project=project, name="retriever", document=demo_retriever())
    found = run_start(model_version=version, mode="online")
    run_started(run=found)
    return found


class Saving:
    """Counts as `Publication` does; `write` has what was asked for written."""

    def __init__(self) -> None:
        self.num_checkpoints_written, self.examples_saved = 2, 100

    def ask_checkpoint(self) -> int:
        return self.num_checkpoints_written + 1

    def write(self) -> None:
        self.num_checkpoints_written += 1
        self.examples_saved += 50


def test_it_keeps_what_a_run_logs_with_where_it_broke(run: Run) -> None:
    logging.getLogger().setLevel(logging.INFO)
    with kept_log(run.pk):
        logger.info("begins at %s", {0: 5})
        logger.debug("not kept")
        try:
            raise ValueError("odd")
        except ValueError:
            logger.exception("it failed")
    logger.info("of nobody")
    kept = [(line.level, line.logger, line.message) for line in RunLogLine.objects.filter(run=run)]
    assert kept[0] == (20, "engine.training.example", "begins at {0: 5}")
    assert kept[1][0] == 40 and kept[1][2].startswith("it failed\nTraceback") and kept[1][2].endswith("ValueError: odd")
    assert len(kept) == 2


def test_it_keeps_lines_while_the_database_is_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise DatabaseError("away")

    with kept_log(run.pk) as log:
        logger.warning("first")
        with monkeypatch.context() as broken:
            broken.setattr(run_log, "run_log_append", refuse)
            log.save()
        logger.warning("second")
    assert [line.message for line in RunLogLine.objects.filter(run=run)] == ["first", "second"]


def test_it_says_that_a_checkpoint_was_written_when_it_was(run: Run) -> None:
    saving, orders = Saving(), CheckpointOrders(run)
    orders.turn()
    orders.follow(saving)
    checkpoint_order(run=run)
    orders.turn()
    (order,) = orders_shown(run=run)
    assert (order.taken_at is None, order.done_at) == (False, None)
    saving.write()
    orders.turn()
    (order,) = orders_shown(run=run)
    assert (order.done_at is None, order.num_examples) == (False, 150)


def test_it_asks_again_when_another_saves_and_settles_at_the_end(run: Run) -> None:
    first, second, orders = Saving(), Saving(), CheckpointOrders(run)
    orders.follow(first)
    checkpoint_order(run=run)
    orders.turn()
    orders.follow(second)
    first.write()
    orders.turn()
    assert orders_shown(run=run)[0].done_at is None
    orders.settle()
    assert orders_shown(run=run)[0].num_examples == 100


def test_it_writes_event_files_and_forgets_those_of_runs_that_are_gone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = RunEvents(run)
    events.add({"auc": 0.5}, 10)
    events.close()
    folder = event_folder(run)
    assert [event.step for event in read_events(folder) if event.summary.value] == [10]
    gone = folder.parent / "run-999999"
    gone.mkdir()
    assert forget_old() == 1
    assert folder.is_dir() and not gone.exists()
    monkeypatch.setattr(run_metrics, "RUNS_KEPT", 0)
    assert forget_old() == 1


def test_it_trains_on_where_no_event_file_can_be_written(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    event_folder(run).parent.mkdir(parents=True)
    event_folder(run).write_text("in the way")
    events = RunEvents(run)
    events.add({"auc": 0.5}, 10)
    events.add({"auc": 0.5}, 20)
    events.close()
    assert caplog.text.count("no event file for TensorBoard is written") == 1
