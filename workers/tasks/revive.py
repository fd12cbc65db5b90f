"""Every two seconds: whatever is wanted and has nobody working on it gets a message."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from webapp.batches.models import Batch
from webapp.catalog.models import Import
from webapp.core.jobs import QUEUES, Job
from webapp.core.models import Lease
from webapp.experiments.models import Replay
from webapp.exports.models import Export
from webapp.long_jobs.models import LongJob
from webapp.long_jobs.selectors import long_jobs_to_revive
from webapp.long_jobs.services import long_jobs_end_unwanted
from webapp.training.joining import projects_to_join
from webapp.training.models import JoinerProgress, Run, Search
from webapp.training.retries import runs_note_lost
from webapp.training.selectors import runs_to_revive
from webapp.training.services import runs_end_unwanted
from workers import sent
from workers.celery_app import app

EXPLAIN_AFTER = timedelta(seconds=5)
LONG_JOBS: tuple[type[LongJob], ...] = (Search, Batch, Replay, Import, Export)
JOB_OF_MODE = {Run.Mode.ONLINE.value: Job.TRAIN_ONLINE, Run.Mode.BATCH.value: Job.TRAIN_BATCH}
CONCURRENCY_VARIABLE = {
    Job.TRAIN_ONLINE: "FRESHET_TRAINER_CONCURRENCY",
    Job.TRAIN_BATCH: "FRESHET_JOBS_CONCURRENCY",
    Job.JOIN: "FRESHET_JOINER_CONCURRENCY",
}


@app.task(name=Job.REVIVE.value)
def revive() -> None:
    runs_end_unwanted()
    for model in LONG_JOBS:
        long_jobs_end_unwanted(model=model)
    runs_note_lost()
    for run in runs_to_revive():
        job = JOB_OF_MODE[run.mode]
        wake(job, run.pk, run_id=run.pk)
        _explain_run(run, job)
    for model in LONG_JOBS:
        for job_id in long_jobs_to_revive(model=model):
            wake(model.JOB, job_id, **model.arguments_of(job_id))
    for project in projects_to_join():
        wake(Job.JOIN, project.pk, project_id=project.pk)
        if sent.num_waiting(Job.JOIN):
            JoinerProgress.objects.filter(project=project, updated_at__lt=Now() - EXPLAIN_AFTER).update(
                error=_why(Job.JOIN, "joiner:")
            )


def wake(job: Job, subject: int, **arguments: int) -> None:
    """Send the job unless a message for the same run or project is on its way already."""
    if sent.note_sent(job, subject):
        app.send_task(job.value, kwargs=arguments, queue=QUEUES[job], expires=sent.SENT_FOR_S)


def _explain_run(run: Run, job: Job) -> None:
    """A run that waits because every worker is busy (or none is there) says so on its page."""
    waiting = Run.objects.filter(pk=run.pk, state=Run.State.QUEUED, error="", created_at__lt=Now() - EXPLAIN_AFTER)
    if sent.num_waiting(job):
        waiting.update(error=_why(job, "trainer:"))


def _why(job: Job, prefix: str) -> str:
    num_busy = Lease.objects.filter(name__startswith=prefix, expires_at__gt=Now()).count()
    return (
        f"waiting for a free worker of the queue {QUEUES[job]}: {num_busy} leases {prefix}* are held now; "
        f"stop something, start another worker or raise {CONCURRENCY_VARIABLE[job]}"
    )
