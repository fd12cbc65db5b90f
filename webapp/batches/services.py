"""Batches are asked for, stopped and deleted; workers note how far they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F

from webapp.accounts.models import Project
from webapp.audit.services import audit_record
from webapp.batches.models import Batch
from webapp.catalog.models import User
from webapp.experiments.selectors import deployment_for
from webapp.long_jobs.services import long_job_delete, long_job_send, long_job_stop, long_jobs_refuse_more
from webapp.serving.asked import Asked
from webapp.serving.recommending import answer

MAX_AT_WORK = 10
_NOBODY = "-"


def batch_start(
    *,
    project: Project,
    deployment: str | None,
    k: int,
    filter: str | None,
    parameters: Mapping[str, Any],
    user_ids: Sequence[str] | None,
    format: str,
) -> Batch:
    """Ask for a batch. Raises `NotFound` for the deployment, `InvalidDocument` for the filter, `Conflict` when too many are at work."""
    named = deployment_for(project=project, user_id=_NOBODY, name=deployment).deployment.name
    # one user's call, judged and not answered: what it refuses, every user's call would be refused
    judged = Asked(user_id=_NOBODY, k=k, deployment=named, filter=filter, parameters=parameters, validate_only=True)
    answer(project=project, asked=judged)
    wanted = None if user_ids is None else list(dict.fromkeys(user_ids))
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        long_jobs_refuse_more(of_project=Batch.objects.filter(project=project), most=MAX_AT_WORK)
        batch = Batch.objects.create(
            project=project,
            deployment=named,
            k=k,
            filter=filter or "",
            parameters=dict(parameters),
            user_ids=wanted,
            format=format,
            num_users=User.objects.filter(project=project).count() if wanted is None else len(wanted),
        )
        details = {"deployment": named, "users": batch.num_users}
        audit_record(project=project, action="batch_start", target=str(batch), details=details)
        long_job_send(job=batch)
    return batch


def batch_stop(*, batch: Batch) -> Batch:
    """As `long_job_stop`."""
    return long_job_stop(job=batch)


def batch_delete(*, batch: Batch) -> None:
    """The batch and its file go. Raises `Conflict` while it is at work."""
    long_job_delete(job=batch, folder=batch.folder)


def batch_part_done(*, batch: Batch, num_users: int, num_degraded: int, last_user_id: str) -> None:
    """A part is on the disk. From now on a restart begins behind it."""
    Batch.objects.filter(pk=batch.pk).update(
        num_parts=F("num_parts") + 1,
        num_done=F("num_done") + num_users,
        num_degraded=F("num_degraded") + num_degraded,
        last_user_id=last_user_id,
    )
    batch.refresh_from_db()
