"""Online training: follow `examples` for as long as the run is wanted."""

from __future__ import annotations

import logging
import time

from engine.spec.definition import ModelDefinition
from engine.streams import topics
from engine.sync.publisher import Publisher, PublishReport
from webapp.core.jobs import Job
from webapp.core.log import event_log
from webapp.registry.models import ModelVersion
from webapp.serving.selectors import positions_alive
from webapp.training.models import Run
from webapp.training.services import publish_record
from workers.celery_app import app
from workers.erasing import TrainerErasures
from workers.folders import model_folder
from workers.run_orders import CheckpointOrders
from workers.runs import RunSession, event_time, work_on
from workers.starting import begin_anew
from workers.sync_orders import PaceOrders, SnapshotOrders
from workers.travel_notes import TrainerNotes

logger = logging.getLogger(__name__)

POLL_TIMEOUT_S = 0.5


@app.task(name=Job.TRAIN_ONLINE.value)
def train_online(run_id: int) -> None:
    work_on(run_id, Run.Mode.ONLINE, Job.TRAIN_ONLINE, _train)


def _train(session: RunSession) -> None:
    # TensorFlow is loaded here, in the child that trains.
    from engine.training.online import OnlineTrainer

    log, version = event_log(), session.run.model_version
    if session.run.start_from is not None:
        session.fence()
        begin_anew(session, model_folder(version))
    erasures = TrainerErasures(version)
    trainer = OnlineTrainer(
        ModelDefinition.parse(version.document),
        log,
        session.run.project.slug,
        version.model.name,
        version.version,
        model_folder(version),
        clock=time.time,
        on_metrics=lambda metrics: session.report(metrics, end_offsets=trainer.state.progress.examples),
        on_report=session.note_report,
        fence=session.fence,
        followers=lambda: positions_alive(model_version=version),
        on_erased=erasures,
    )
    orders, pace = SnapshotOrders(version, trainer.publication), PaceOrders(version, trainer.publication)
    notes = TrainerNotes(version, trainer.publication.publisher)
    checkpoints = CheckpointOrders(session.run)
    checkpoints.follow(trainer.publication)
    examples = topics.examples(session.run.project.slug)
    known = trainer.state.progress
    logger.info("begins with %s examples learned, at the offsets %s", f"{known.num_examples:,}", known.examples)
    session.note_start({**log.earliest_offsets(examples), **trainer.state.progress.examples})
    try:
        while not session.should_stop():
            published = trainer.poll(POLL_TIMEOUT_S).published
            _record(version, trainer.publication.publisher, published)
            erasures.note_published(published.sequences)
            notes.turn(trainer.state.progress.examples, published)
            orders.turn()
            pace.turn()
            checkpoints.turn()
        session.report_each()
        trainer.close()
        checkpoints.settle()
        logger.info("saved with %s examples learned", f"{known.num_examples:,}")
    finally:
        trainer.abandon()


def _record(version: ModelVersion, publisher: Publisher, published: PublishReport) -> None:
    """Note what a poll published."""
    last = publisher.last_published
    if published.sequences and last is not None:
        publish_record(
            model_version=version,
            kind=last.kind.value,
            sequence=published.sequences[-1],
            num_rows=published.num_rows,
            num_deletes=published.num_deletes,
            num_bytes=published.num_bytes,
            event_time=event_time(last.trained_through.event_time_ms),
        )
