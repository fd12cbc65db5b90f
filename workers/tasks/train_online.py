"""Online training: follow `examples` for as long as the run is wanted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from engine.spec.definition import ModelDefinition
from webapp.core.jobs import Job
from webapp.core.log import event_log
from webapp.training.models import Run
from workers.celery_app import app
from workers.folders import model_folder
from workers.runs import RunSession, work_on


@app.task(name=Job.TRAIN_ONLINE.value)
def train_online(run_id: int) -> None:
    work_on(run_id, Run.Mode.ONLINE, Job.TRAIN_ONLINE, _train)


def _train(session: RunSession) -> None:
    from engine.training.online import OnlineTrainer

    version = session.run.model_version
    newest: dict[str, Any] = {}

    def keep(metrics: Mapping[str, Any]) -> None:
        newest.update(metrics)

    trainer = OnlineTrainer(
        ModelDefinition.parse(version.document),
        event_log(),
        session.run.project.slug,
        version.model.name,
        version.version,
        model_folder(version),
        clock=time.time,
        on_metrics=keep,
        fence=session.fence,
    )
    while not session.should_stop():
        trainer.poll()
        session.report(newest)
    trainer.close()
    session.report(newest, force=True)
