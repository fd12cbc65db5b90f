"""Every two seconds: whatever is wanted and has nobody working on it gets a message."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from webapp.batches.selectors import batches_to_revive
from webapp.batches.services import batches_end_unwanted
from webapp.catalog.imports.selectors import imports_to_revive
from webapp.catalog.imports.services import imports_end_unwanted
from webapp.core.jobs import QUEUES, Job
from webapp.core.models import Lease
from webapp.experiments.replay_selectors import replays_to_revive
from webapp.experiments.replay_services import replays_end_unwanted
from webapp.exports.selectors import exports_to_revive
from webapp.exports.services import exports_end_unwanted
from webapp.training.joining import projects_to_join
from webapp.training.models import JoinerProgress, Run
from webapp.training.retries import runs_note_lost
from webapp.training.search_selectors import searches_to_revive
from webapp.training.search_services import searches_end_unwanted
from webapp.training.selectors import runs_to_revive
from webapp.training.services import runs_end_unwanted
from workers import sent
from workers.celery_app import app

EXPLAIN_AFTER = timedelta(seconds=5)
JOB_OF_MODE = {Run.Mode.ONLINE.value: Job.TRAIN_ONLINE, Run.Mode.BATCH.value: Job.TRAIN_BATCH}
CONCURRENCY_VARIABLE = {
    Job.TRAIN_ONLINE: "FRESHET_TRAINER_CONCURRENCY",
    Job.TRAIN_BATCH: "FRESHET_JOBS_CONCURRENCY",
    Job.JOIN: "FRESHET_JOINER_CONCURRENCY",
}


@app.task(name=Job.REVIVE.value)
def revive() -> None:
    runs_end_unwanted()
    searches_end_unwanted()
    batches_end_unwanted()
    replays_end_unwanted()
    imports_end_unwanted()
    exports_end_unwanted()
    runs_note_lost()
    for run in runs_to_revive():
        job = JOB_OF_MODE[run.mode]
        wake(job, run.pk, run_id=run.pk)
        _explain_run(run, job)
    for search in searches_to_revive():
        wake(Job.SEARCH, search.pk, search_id=search.pk)
    for batch in batches_to_revive():
        wake(Job.RECOMMEND_BATCH, batch.pk, batch_id=batch.pk)
    for replay in replays_to_revive():
        wake(Job.REPLAY, replay.pk, replay_id=replay.pk)
    for loading in imports_to_revive():
        wake(Job.IMPORT_FILE, loading.pk, import_id=loading.pk)
    for export in exports_to_revive():
        wake(Job.EXPORT_DATA, export.pk, export_id=export.pk)
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
