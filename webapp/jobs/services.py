"""Stopping work and trying it again, whatever kind it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from webapp.accounts.models import Project
from webapp.audit.acting import acting
from webapp.batches.models import Batch
from webapp.batches.services import batch_start
from webapp.catalog.imports.services import import_start
from webapp.catalog.models import Import
from webapp.core.errors import Conflict
from webapp.experiments.models import Replay
from webapp.experiments.replay_services import Wanted, replay_start
from webapp.exports.models import Export
from webapp.exports.services import export_start
from webapp.jobs.selectors import work_get
from webapp.jobs.work import Work, WorkKind
from webapp.long_jobs.models import LongJob
from webapp.long_jobs.services import long_job_stop
from webapp.training.models import Run, Search
from webapp.training.resuming import run_resume
from webapp.training.search_services import search_start
from webapp.training.services import run_stop


def work_stop(*, project: Project, kind: str, work_id: int) -> Work:
    """Raises `NotFound`, `Conflict` for work that has ended or cannot be stopped."""
    row, work = work_get(project=project, kind=kind, work_id=work_id)
    if not work.can_stop:
        raise Conflict(f"{work.kind.label} {work.id} is {work.state}, and not to be stopped.")
    if isinstance(row, LongJob):
        long_job_stop(job=row)
    elif isinstance(row, Run):
        run_stop(run=row)
    return work


def work_again(*, project: Project, kind: str, work_id: int) -> Work:
    """Let it go on where it stopped, or ask for the same anew. Raises `NotFound`, `Conflict`, and what the kind's service raises."""
    row, work = work_get(project=project, kind=kind, work_id=work_id)
    if not work.again:
        raise Conflict(f"{work.kind.label} {work.id} is {work.state}, and not to be tried again.")
    AGAINS[work.kind](row)
    return work


def _run_again(row: Run) -> None:
    run_resume(run=row)


def _search_again(row: Search) -> None:
    search_start(model_version=row.model_version, settings=row.settings)


def _import_again(row: Import) -> None:
    import_start(loading=row)


def _export_again(row: Export) -> None:
    export_start(
        project=row.project,
        what=row.what,
        format=row.format,
        types=row.types,
        since=row.since,
        account=row.created_by,
    )


def _batch_again(row: Batch) -> None:
    batch_start(
        project=row.project,
        deployment=row.deployment,
        k=row.k,
        filter=row.filter or None,
        parameters=row.parameters,
        user_ids=row.user_ids,
        format=row.format,
    )


def _replay_again(row: Replay) -> None:
    wanted = Wanted(row.event_type, row.logged, row.hours, row.max_answers)
    replay_start(deployment=row.deployment, wanted=wanted, by=acting().name[:150])


AGAINS: Final[Mapping[WorkKind, Callable[[Any], None]]] = {
    WorkKind.RUN: _run_again,
    WorkKind.SEARCH: _search_again,
    WorkKind.IMPORT: _import_again,
    WorkKind.EXPORT: _export_again,
    WorkKind.BATCH: _batch_again,
    WorkKind.REPLAY: _replay_again,
}
