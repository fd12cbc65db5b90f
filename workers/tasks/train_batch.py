"""Batch training: `examples` from the first to the newest (or to an event time), once, with progress."""

from __future__ import annotations

from webapp.core.jobs import Job
from webapp.training.models import Run
from workers.celery_app import app
from workers.runs import work_on


@app.task(name=Job.TRAIN_BATCH.value)
def train_batch(run_id: int) -> None:
    work_on(run_id, Run.Mode.BATCH, Job.TRAIN_BATCH, _train)
