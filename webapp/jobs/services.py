"""Stopping work and trying it again, whatever kind it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from webapp.accounts.models import Project
from webapp.audit.acting import acting
from webapp.batches.models import Batch
from webapp.batches.services import batch_start, batch_stop
from webapp.catalog.imports.services import import_start, import_stop
from webapp.catalog.models import Import
from webapp.core.errors import Conflict
from webapp.experiments.models import Replay
from webapp.experiments.replay_services import Wanted, replay_start, replay_stop
from webapp.exports.models import Export
from webapp.exports.services import export_start, export_stop
from webapp.jobs.selectors import work_get
from webapp.jobs.work import Work, WorkKind
from webapp.training.models import Run, Search
from webapp.training.resuming import run_resume
from webapp.training.search_services import search_start, search_stop
from webapp.training.services import run_stop


def work_stop(*, project: Project, kind: str, work_id: int) -> Work:
    """Raises `NotFound`, `Conflict` for work that has ended or cannot be stopped."""
    row, work = work_get(project=project, kind=kind, work_id=work_id)
    if not work.can_stop:
        raise Conflict(f"{work.kind.label} {work.id} is {work.state}, and not to be stopped.")
    STOPS[work.kind](row)
    return work


def work_again(*, project: Project, kind: str, work_id: int) -> Work:
    """Let it go on where it stopped, or ask for the same anew. Raises `NotFound`, `Conflict`, and what the kind's service raises."""
    row, work = work_get(project=project, kind=kind, work_id=work_id)
    if not work.again:
        raise Conflict(f"{work.kind.label} {work.id} is {work.state}, and not to be tried again.")
    AGAINS[work.kind](row)
    return work


def _stop_run(row: Run) -> None:
    run_stop(run=row)


def _stop_search(row: Search) -> None:
    search_stop(search=row)


def _stop_import(row: Import) -> None:
    import_stop(loading=row)


def _stop_export(row: Export) -> None:
    export_stop(export=row)


def _stop_batch(row: Batch) -> None:
    batch_stop(batch=row)


def _stop_replay(row: Replay) -> None:
    replay_stop(replay=row)


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


STOPS: Final[Mapping[WorkKind, Callable[[Any], None]]] = {
    WorkKind.RUN: _stop_run,
    WorkKind.SEARCH: _stop_search,
    WorkKind.IMPORT: _stop_import,
    WorkKind.EXPORT: _stop_export,
    WorkKind.BATCH: _stop_batch,
    WorkKind.REPLAY: _stop_replay,
}
AGAINS: Final[Mapping[WorkKind, Callable[[Any], None]]] = {
    WorkKind.RUN: _run_again,
    WorkKind.SEARCH: _search_again,
    WorkKind.IMPORT: _import_again,
    WorkKind.EXPORT: _export_again,
    WorkKind.BATCH: _batch_again,
    WorkKind.REPLAY: _replay_again,
}
