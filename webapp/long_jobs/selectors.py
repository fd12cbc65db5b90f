"""Long jobs of one table: which have nobody working on them, and whether one is wanted still."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import QuerySet

from webapp.core.selectors import is_held
from webapp.long_jobs.models import OPEN, LongJob

AnyJob = TypeVar("AnyJob", bound=LongJob)


def long_jobs_open(*, model: type[AnyJob]) -> QuerySet[AnyJob]:
    """Those that wait or are at work."""
    return model._default_manager.filter(model.OF_WORKERS, state__in=OPEN)


def long_jobs_unheld(*, model: type[AnyJob]) -> QuerySet[AnyJob]:
    """Those that have not ended, and that no worker holds."""
    return long_jobs_open(model=model).exclude(is_held(f"{model.NOUN}:"))


def long_jobs_to_revive(*, model: type[LongJob]) -> list[int]:
    """The ids of those that are wanted, have not ended, and that no worker holds; the oldest first."""
    return list(long_jobs_unheld(model=model).filter(wanted=True).order_by("pk").values_list("pk", flat=True))


def long_job_is_wanted(*, job: LongJob) -> bool:
    """By the database, whatever the row in hand says."""
    return type(job)._default_manager.filter(pk=job.pk, wanted=True).exists()
