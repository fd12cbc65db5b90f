"""Batches are asked for, stopped and deleted; workers note how far they are."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from webapp.accounts.models import Project
from webapp.audit.services import audit_record
from webapp.batches.models import Batch
from webapp.catalog.models import User
from webapp.core import jobs
from webapp.core.errors import Conflict
from webapp.core.selectors import lease_holder
from webapp.experiments.selectors import deployment_for
from webapp.serving.asked import Asked
from webapp.serving.recommending import answer

ENDED = (Batch.State.STOPPED, Batch.State.SUCCEEDED, Batch.State.FAILED)
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
    """Ask for a batch. Raises `NotFound` for the deployment, `InvalidDocument` for the filter, `Conflict` when too many are at work.

    The job is sent after the commit; should Redis be away just then, `freshet.revive` sends it later.
    """
    named = deployment_for(project=project, user_id=_NOBODY, name=deployment).deployment.name
    # one user's call, judged and not answered: what it refuses, every user's call would be refused
    judged = Asked(user_id=_NOBODY, k=k, deployment=named, filter=filter, parameters=parameters, validate_only=True)
    answer(project=project, asked=judged)
    wanted = None if user_ids is None else list(dict.fromkeys(user_ids))
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        if Batch.objects.filter(project=project, wanted=True).count() >= MAX_AT_WORK:
            raise Conflict(f"{MAX_AT_WORK} batches are at work or wait; stop one first, or wait.")
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
        audit_record(project=project, action="batch_start", target=f"batch {batch.pk}", details=details)
        transaction.on_commit(lambda: jobs.send(jobs.Job.RECOMMEND_BATCH, batch_id=batch.pk), robust=True)
    return batch


def batch_stop(*, batch: Batch) -> Batch:
    """Ask for the end of a batch. Its worker stops at its next look; with no worker on it, it is stopped now."""
    open_batches = Batch.objects.filter(pk=batch.pk).exclude(state__in=ENDED)
    with transaction.atomic():
        if open_batches.filter(wanted=True).update(wanted=False):
            audit_record(project=batch.project, action="batch_stop", target=f"batch {batch.pk}")
    if lease_holder(name=batch.lease_name) is None:
        open_batches.update(state=Batch.State.STOPPED, finished_at=Now())
    batch.refresh_from_db()
    return batch


def batch_delete(*, batch: Batch) -> None:
    """The batch and its file go. Raises `Conflict` while it is at work."""
    if batch.state not in ENDED:
        raise Conflict(f"Batch {batch.pk} is at work; stop it first.")
    shutil.rmtree(batch.folder, ignore_errors=True)
    with transaction.atomic():
        audit_record(project=batch.project, action="batch_delete", target=f"batch {batch.pk}")
        batch.delete()


def batches_end_unwanted() -> None:
    """Those that were to stop and whose worker is gone."""
    for batch in Batch.objects.filter(wanted=False).exclude(state__in=ENDED):
        batch_stop(batch=batch)


def batch_started(*, batch: Batch) -> None:
    """A worker has taken it up; the first start stays."""
    Batch.objects.filter(pk=batch.pk).update(
        state=Batch.State.RUNNING, started_at=Coalesce(F("started_at"), Now()), error=""
    )
    batch.refresh_from_db()


def batch_part_done(*, batch: Batch, num_users: int, num_degraded: int, last_user_id: str) -> None:
    """A part is on the disk. From now on a restart begins behind it."""
    Batch.objects.filter(pk=batch.pk).update(
        num_parts=F("num_parts") + 1,
        num_done=F("num_done") + num_users,
        num_degraded=F("num_degraded") + num_degraded,
        last_user_id=last_user_id,
    )
    batch.refresh_from_db()


def batch_finished(*, batch: Batch, state: Batch.State, num_bytes: int = 0, error: str = "") -> None:
    """The end, whichever it is."""
    Batch.objects.filter(pk=batch.pk).update(
        state=state, wanted=False, num_bytes=num_bytes, error=error, finished_at=Now()
    )
    batch.refresh_from_db()
