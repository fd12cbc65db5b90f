"""Long jobs other than runs: taken up under a lease, looked after while they go on, and what each way to end means."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic

from engine.errors import EngineError, Interrupted, InvalidDocument, LeaseLost
from webapp.core.errors import AppError
from webapp.long_jobs.models import OPEN, LongJob
from webapp.long_jobs.selectors import AnyJob, long_job_is_wanted
from webapp.long_jobs.services import long_job_finished
from workers import sent
from workers.fresh_connection import drop_broken_connection
from workers.leases import HeldLease, held
from workers.runs import OUTAGES
from workers.stopping import STOP

logger = logging.getLogger(__name__)

REFUSALS: Final = (InvalidDocument, AppError)
"""What is wrong with what was asked for, in words for who asked: trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class Attempt(Generic[AnyJob]):
    """One worker's hold on a job, from when it took it up. `should_end`: the worker is ending."""

    job: AnyJob
    lease: HeldLease
    should_end: Callable[[], bool]

    def look(self) -> None:
        """Raises `Interrupted` when the job is not wanted or the process is to end, `LeaseLost` when it is another's."""
        drop_broken_connection()
        self.lease.fence()
        if self.should_end() or not long_job_is_wanted(job=self.job):
            raise Interrupted(f"{self.job} is to stop")


def take_up(
    model: type[AnyJob],
    job_id: int,
    work: Callable[[Attempt[AnyJob]], None],
    *,
    parts: tuple[str, ...] = ("project",),
    outages: tuple[type[Exception], ...] = OUTAGES,
    refusals: tuple[type[EngineError | AppError], ...] = REFUSALS,
) -> None:
    """Do `work` under the job's lease; it notes the job's success itself.

    Returns at once when the job is not wanted or somebody else is at it. One that was interrupted, or met one of `outages`, stays wanted,
    so that `freshet.revive` sends it again. What `refusals` say is put on the job as it is. `parts` are read with the row.
    """
    if not model._default_manager.filter(pk=job_id).exists():
        return
    with held(model(pk=job_id).lease_name) as lease:
        # read under the lease: a job that ended while we waited for it must not start anew
        wanted = model._default_manager.select_related(*parts).filter(pk=job_id, wanted=True, state__in=OPEN)
        job = wanted.first() if lease is not None else None
        if lease is None or job is None:
            return
        sent.forget_sent(model.JOB, job.pk)
        with STOP.watching() as should_end:
            _attempt(Attempt(job, lease, should_end), work, outages, refusals)


def _attempt(
    attempt: Attempt[AnyJob],
    work: Callable[[Attempt[AnyJob]], None],
    outages: tuple[type[Exception], ...],
    refusals: tuple[type[EngineError | AppError], ...],
) -> None:
    job = attempt.job
    try:
        work(attempt)
    except LeaseLost as error:
        logger.warning("%s: %s; its new holder carries on", job, error)
    except Interrupted:
        if not long_job_is_wanted(job=job):
            long_job_finished(job=job, state=LongJob.State.STOPPED)
    except outages as error:
        logger.warning("%s: a server is away (%s); it will be tried again", job, error)
    except refusals as error:
        long_job_finished(job=job, state=LongJob.State.FAILED, error=error.message)
    except Exception as error:
        logger.exception("%s failed", job)
        long_job_finished(job=job, state=LongJob.State.FAILED, error=f"{type(error).__name__}: {error}")
