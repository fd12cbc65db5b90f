"""What every long job is: searches, batches, replays, imports and exports are each a table of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models

from webapp.core.jobs import Job

if TYPE_CHECKING:
    from django.db.models.expressions import Combinable

    from webapp.accounts.models import Project


class LongJob(models.Model):
    """Asked for by somebody, done by a worker under a lease. Work goes on while `wanted` is true; `state` says what is so."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        STOPPED = "stopped"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    NOUN: ClassVar[str]
    """What it is called: in its lease's name, in the audit log (`<noun>_stop`) and as its task's argument (`<noun>_id`)."""

    JOB: ClassVar[Job]
    """The task that does it."""

    DONE: ClassVar[str] = State.SUCCEEDED
    """The state of one that did all it was asked for."""

    OF_WORKERS: ClassVar[models.Q] = models.Q()
    """Which rows of the table workers do."""

    WITH_EACH_CHANGE: ClassVar[Mapping[str, Any]] = {}
    """Columns that are written whenever a service changes the row."""

    project: models.ForeignKey[Project | Combinable, Project]
    """Declared by each table, under its own related name."""

    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    wanted = models.BooleanField(default=True, help_text="false asks the worker to stop")
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.NOUN} {self.pk}"

    @classmethod
    def arguments_of(cls, job_id: int) -> dict[str, int]:
        """What its task is called with."""
        return {f"{cls.NOUN}_id": job_id}

    @property
    def lease_name(self) -> str:
        return f"{self.NOUN}:{self.pk}"

    @property
    def is_open(self) -> bool:
        """It waits for a worker, or one is at it."""
        return self.state in OPEN

    @property
    def is_ended(self) -> bool:
        return self.state in (LongJob.State.STOPPED, self.DONE, LongJob.State.FAILED)


OPEN = (LongJob.State.QUEUED, LongJob.State.RUNNING)


class CountedJob(LongJob):
    """A long job that knows how much there is to do."""

    COUNTED: ClassVar[tuple[str, str]]
    """Its columns that say how much is done, and of how much (0 or null before that is known)."""

    class Meta(LongJob.Meta):
        abstract = True

    @property
    def share_done(self) -> float:
        """0 to 1."""
        if self.state == self.DONE:
            return 1.0
        num_done, num_in_all = (getattr(self, column) for column in self.COUNTED)
        return min(1.0, num_done / num_in_all) if num_in_all else 0.0
