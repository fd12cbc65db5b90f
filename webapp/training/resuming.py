"""A run that was stopped, or that failed, goes on from its newest checkpoint."""

from __future__ import annotations

from django.db import transaction

from webapp.audit.services import audit_record
from webapp.core import jobs
from webapp.core.errors import Conflict
from webapp.registry.models import ModelVersion
from webapp.training.models import Run
from webapp.training.services import JOB_OF_MODE

RESUMABLE = (Run.State.STOPPED, Run.State.FAILED)


def why_not_resumable(run: Run) -> str | None:
    """In words; None when it can go on."""
    if run.state not in RESUMABLE:
        return f"Run {run.pk} is {run.state}; only a stopped or failed run can go on."
    later = Run.objects.filter(model_version=run.model_version_id, pk__gt=run.pk).order_by("-pk").first()
    if later is not None:
        return (
            f"Run {later.pk} came later and trained the same version, so that what run {run.pk} had learned is not the newest any more; "
            f"resume run {later.pk}, or start a new one."
        )
    return None


def run_resume(*, run: Run) -> Run:
    """Queue the run again: its worker takes up the newest checkpoint at its offsets. Raises `Conflict` when it cannot go on.

    What failed before is forgotten. The job is sent after the commit, or by `freshet.revive` later.
    """
    with transaction.atomic():
        ModelVersion.objects.select_for_update().get(pk=run.model_version_id)
        found = Run.objects.select_for_update().get(pk=run.pk)
        reason = why_not_resumable(found)
        if reason is not None:
            raise Conflict(reason, run=found.pk)
        Run.objects.filter(pk=run.pk).update(
            state=Run.State.QUEUED,
            wanted=True,
            error="",
            finished_at=None,
            num_failures=0,
            failed_at_examples=-1,
            retry_at=None,
        )
        audit_record(project=run.project, action="run_resume", target=f"run {run.pk}", details={"was": found.state})
        transaction.on_commit(lambda: jobs.send(JOB_OF_MODE[run.mode], run_id=run.pk), robust=True)
    run.refresh_from_db()
    return run
