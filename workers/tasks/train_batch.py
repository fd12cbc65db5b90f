"""Batch training: `examples` from the first to the newest (or to an event time), once, with progress."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import asdict
from pathlib import Path

from engine.errors import CorruptRecord, Interrupted
from engine.spec.definition import ModelDefinition
from engine.streams import topics
from engine.streams.log import EventLog
from engine.sync.delta import decode_header
from webapp.core.jobs import Job
from webapp.core.log import event_log
from webapp.registry.models import ModelVersion
from webapp.training.example_files import Holds, run_file
from webapp.training.models import Run
from webapp.training.services import publish_record
from workers.celery_app import app
from workers.event_files import JOINED, examples_of_events
from workers.folders import model_folder
from workers.joined import await_joiner
from workers.run_orders import CheckpointOrders
from workers.runs import RunSession, event_time, work_on
from workers.starting import begin_anew

logger = logging.getLogger(__name__)


@app.task(name=Job.TRAIN_BATCH.value)
def train_batch(run_id: int) -> None:
    work_on(run_id, Run.Mode.BATCH, Job.TRAIN_BATCH, _train)


def _train(session: RunSession) -> Run.State | None:
    # TensorFlow is loaded here, in the child that trains.
    from engine.training.batch import BatchProgress
    from engine.training.batch import train_batch as run_batch
    from engine.training.epoch_plan import EpochPlan

    run, version = session.run, session.run.model_version
    log, folder = event_log(), model_folder(version)
    session.fence()
    begin_anew(session, folder)
    try:
        examples = _examples(session, log, folder)
    except Interrupted:
        return None
    if examples is None:
        if not await_joiner(session, log):
            return None
        session.note_start(log.earliest_offsets(topics.examples(run.project.slug)))
    rate, checkpoints = _Rate(), CheckpointOrders(run)

    def on_progress(progress: BatchProgress) -> None:
        def metrics() -> dict[str, float | int | None]:
            return {
                **progress.metrics,
                **progress.tables,
                **progress.pace(),
                "num_examples": progress.num_examples,
                "examples_per_s": rate.of(progress.num_examples),
            }

        session.report(metrics, progress=progress.num_examples / max(1, progress.num_total))
        checkpoints.turn()

    def on_epoch(plan: EpochPlan) -> None:
        session.note_epochs([asdict(result) for result in plan.results])
        newest = plan.results[-1]
        logger.info("epoch %d is over%s", newest.epoch + 1, ", the best so far" if newest.is_best else "")

    result = run_batch(
        ModelDefinition.parse(version.document),
        log,
        run.project.slug,
        version.model.name,
        version.version,
        folder,
        clock=time.time,
        examples=examples,
        until_time_ms=None if run.until_time is None else round(run.until_time.timestamp() * 1000),
        # what another run left is gone by now; what is there is this run's own
        resume=True,
        on_progress=on_progress,
        on_report=session.note_report,
        on_epoch=on_epoch,
        on_publication=checkpoints.follow,
        should_stop=session.should_stop,
        fence=session.fence,
    )
    checkpoints.settle()
    words = "learned" if result.is_complete else "learned so far, and saved"
    logger.info("%s examples %s; the offsets reached are %s", f"{result.num_examples:,}", words, result.end_offsets)
    session.report_each()
    session.report(
        {
            **result.metrics,
            "num_examples": result.num_examples,
            "examples_per_s": rate.of(result.num_examples),
            **result.tables,
            "num_corrupt": result.num_corrupt,
        },
        progress=1.0 if result.is_complete else None,
        end_offsets=result.end_offsets,
    )
    if not result.is_complete:
        return None
    shutil.rmtree(folder / JOINED, ignore_errors=True)
    _record_publish(version)
    return Run.State.SUCCEEDED


def _examples(session: RunSession, log: EventLog, folder: Path) -> EventLog | None:
    """What the run learns from a file in place of the project's examples; None where it names none. Raises `Invalid`,
    `InvalidDocument`, and `Interrupted` while events are joined."""
    from engine.training.parquet_examples import ExampleFile

    run = session.run
    if not run.input_file:
        return None
    path, holds = run_file(run.input_file)
    if holds is Holds.EXAMPLES:
        return ExampleFile(path)

    def on_events(num_events: int) -> None:
        session.report({"num_examples": 0, "num_events_joined": num_events}, progress=0.0)

    joined = examples_of_events(
        run.project, path, log, folder / JOINED, on_events=on_events, should_stop=session.should_stop
    )
    session.note_events_file(joined.meta)
    return joined


class _Rate:
    """Examples a second since the rate was asked for the first time."""

    def __init__(self) -> None:
        self._since: tuple[float, int] | None = None

    def of(self, num_examples: int) -> float:
        now = time.monotonic()
        if self._since is None:
            self._since = (now, num_examples)
        elapsed_s = now - self._since[0]
        return (num_examples - self._since[1]) / elapsed_s if elapsed_s > 0 else 0.0


def _record_publish(version: ModelVersion) -> None:
    """Note the snapshot that ended the run: the last delta in `params`."""
    log, topic = event_log(), topics.params(version.model.project.slug, version.model.name, version.version)
    end = log.end_offsets(topic)[0]
    stored = log.read(topic, 0, end - 1, max_records=1) if end else []
    try:
        headers = [decode_header(record.value) for record in stored]
    except CorruptRecord:
        return
    for header in headers:
        publish_record(
            model_version=version,
            kind=header.kind.value,
            sequence=header.sequence,
            num_rows=header.num_upserts,
            num_deletes=header.num_deletes,
            num_bytes=len(stored[0].value),
            event_time=event_time(header.trained_through.event_time_ms),
        )
