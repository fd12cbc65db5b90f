"""Long jobs are sent, stopped and deleted; workers note that they began and how they ended."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Now

from webapp.audit.services import audit_record
from webapp.core import jobs
from webapp.core.errors import Conflict, Invalid
from webapp.core.selectors import lease_holder
from webapp.long_jobs.models import LongJob
from webapp.long_jobs.selectors import AnyJob, long_jobs_open, long_jobs_unheld

MAX_ERROR: Final = 2_000


def long_job_send(*, job: LongJob) -> None:
    """A message to the workers, after the commit; should Redis be away just then, `freshet.revive` sends it later."""
    transaction.on_commit(lambda: jobs.send(job.JOB, **job.arguments_of(job.pk)), robust=True)


def long_jobs_refuse_more(*, of_project: QuerySet[AnyJob], most: int) -> None:
    """Raises `Conflict` where `most` of them are at work."""
    if of_project.filter(wanted=True).count() >= most:
        plural = of_project.model._meta.verbose_name_plural
        raise Conflict(f"{most} {plural} are at work or wait; stop one first, or wait.")


def long_job_stop(*, job: AnyJob) -> AnyJob:
    """Ask for its end. Its worker stops at its next look; with no worker on it, it is stopped now."""
    this = long_jobs_open(model=type(job)).filter(pk=job.pk)
    with transaction.atomic():
        if this.filter(wanted=True).update(wanted=False, **job.WITH_EACH_CHANGE):
            audit_record(project=job.project, action=f"{job.NOUN}_stop", target=str(job))
    if lease_holder(name=job.lease_name) is None:
        this.update(state=LongJob.State.STOPPED, finished_at=Now())
    job.refresh_from_db()
    return job


def long_job_delete(*, job: LongJob, folder: Path) -> None:
    """It and its folder go. Raises `Conflict` while it is at work."""
    if not job.is_ended:
        raise Conflict(f"{job.NOUN.capitalize()} {job.pk} is at work; stop it first.")
    with transaction.atomic():
        audit_record(project=job.project, action=f"{job.NOUN}_delete", target=str(job))
        job.delete()
    shutil.rmtree(folder, ignore_errors=True)


def long_jobs_end_unwanted(*, model: type[LongJob]) -> int:
    """Those that were to stop and whose worker was lost meanwhile are stopped now; answers how many."""
    lost = long_jobs_unheld(model=model).filter(wanted=False)
    return lost.update(state=LongJob.State.STOPPED, finished_at=Now())


def long_job_started(*, job: LongJob, **noted: Any) -> None:
    """A worker has taken it up; the first start stays. `noted`: columns of its own."""
    _update(job, state=LongJob.State.RUNNING, started_at=Coalesce(F("started_at"), Now()), error="", **noted)


def long_job_finished(*, job: LongJob, state: str, error: str = "", **results: Any) -> None:
    """It ended as `state` and is wanted no more. `results`: columns of its own. Raises `Invalid` for a state that is no end."""
    ends = (LongJob.State.STOPPED, job.DONE, LongJob.State.FAILED)
    if state not in ends:
        raise Invalid.field("state", f"must be one of {', '.join(ends)}", repr(str(state)))
    _update(job, state=state, wanted=False, error=error[:MAX_ERROR], finished_at=Now(), **results)


def _update(job: LongJob, **changes: Any) -> None:
    type(job)._default_manager.filter(pk=job.pk).update(**changes, **job.WITH_EACH_CHANGE)
    job.refresh_from_db()
