"""Where each kind of work is kept, and how it reads as `Work`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Model, Q, QuerySet
from django.urls import reverse

from webapp.accounts.models import Project
from webapp.batches.models import Batch
from webapp.batches.selectors import batches_of
from webapp.catalog.models import Import
from webapp.erasure.models import Erasure, Part
from webapp.experiments.models import Replay
from webapp.exports.models import Export
from webapp.jobs.work import KIND_NAMES, OPEN_STATES, Work, WorkKind
from webapp.training.models import Run, Search
from webapp.training.resuming import RESUMABLE
from webapp.training.selectors import runs_of

UNFINISHED: Final = ("failed", "stopped")


def work_rows(
    kind: WorkKind, project: Project, *, is_open: bool | None, until: datetime | None, limit: int
) -> list[Work]:
    """At most `limit` of one kind, newest first: those at work (`is_open`) or ended, made no later than `until`."""
    rows = SOURCES[kind](project)
    if is_open is not None:
        rows = rows.filter(_open(kind)) if is_open else rows.exclude(_open(kind))
    if until is not None:
        field = "ordered_at" if kind is WorkKind.ERASURE else "created_at"
        rows = rows.filter(**{f"{field}__lte": until})
    ordered = rows.order_by("-ordered_at" if kind is WorkKind.ERASURE else "-created_at", "-pk")
    return [READERS[kind](row, project.slug) for row in ordered[:limit]]


def work_row(kind: WorkKind, project: Project, work_id: int) -> tuple[Model, Work] | None:
    """The row itself, and as `Work`."""
    row = SOURCES[kind](project).filter(pk=work_id).first()
    return None if row is None else (row, READERS[kind](row, project.slug))


def _open(kind: WorkKind) -> Q:
    return Q(state__in=(*OPEN_STATES, "draft") if kind is WorkKind.IMPORT else OPEN_STATES)


def _runs(project: Project) -> QuerySet[Any]:
    return runs_of(project=project)


def _searches(project: Project) -> QuerySet[Any]:
    found = Search.objects.filter(project=project).select_related("model_version__model", "project")
    return found.annotate(num_ended=Count("trials", filter=~Q(trials__state="running")))


def _imports(project: Project) -> QuerySet[Any]:
    return Import.objects.filter(project=project).select_related("project", "created_by").defer("choices")


def _exports(project: Project) -> QuerySet[Any]:
    return Export.objects.filter(project=project).select_related("project", "created_by")


def _batches(project: Project) -> QuerySet[Any]:
    return batches_of(project=project)


def _replays(project: Project) -> QuerySet[Any]:
    return Replay.objects.filter(project=project).select_related("deployment", "project").defer("results")


def _erasures(project: Project) -> QuerySet[Any]:
    num_open = Count("parts", filter=Q(parts__state=Part.State.PENDING))
    return Erasure.objects.filter(project=project).annotate(num_parts=Count("parts"), num_pending=num_open)


def _of(row: Any, kind: WorkKind, **own: Any) -> Work:
    """What most kinds have by the same name."""
    named: dict[str, Any] = {
        "kind": kind,
        "id": row.pk,
        "state": row.state,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "error": row.error,
        "lease": row.lease_name,
        "by": "",
        "progress": None,
        "done": "",
        "can_stop": row.state in OPEN_STATES and row.wanted,
        "again": "Ask again" if row.state in UNFINISHED else "",
    }
    return Work(**(named | own))


def _run(row: Run, slug: str) -> Work:
    is_batch = row.mode == Run.Mode.BATCH
    return _of(
        row,
        WorkKind.RUN,
        what=f"{row.model_version}, {row.mode}",
        progress=row.progress if is_batch else None,
        done=f"{row.num_examples:,} examples",
        link=reverse("run", args=[slug, row.pk]),
        again="Resume" if row.state in RESUMABLE else "",
    )


def _search(row: Any, slug: str) -> Work:
    wanted = row.settings.get("num_trials") if isinstance(row.settings, dict) else None
    is_known = isinstance(wanted, int) and wanted > 0
    return _of(
        row,
        WorkKind.SEARCH,
        what=str(row.model_version),
        progress=min(1.0, row.num_ended / wanted) if is_known else None,
        done=f"{row.num_ended:,} trials",
        link=reverse("search", args=[slug, row.pk]),
    )


def _import(row: Import, slug: str) -> Work:
    can_go_on = row.state in UNFINISHED and row.has_file
    return _of(
        row,
        WorkKind.IMPORT,
        what=f"{row.file_name}, {row.kind}",
        progress=row.share_done if row.num_rows else None,
        done=f"{row.num_rows_done:,} rows, {row.num_rejected:,} refused",
        by=_name(row.created_by),
        link=reverse("import", args=[slug, row.pk]),
        again="Resume" if can_go_on else "",
    )


def _export(row: Export, slug: str) -> Work:
    return _of(
        row,
        WorkKind.EXPORT,
        what=f"{row.get_what_display()} as {row.get_format_display()}",
        progress=row.share_done if row.num_rows or not row.finished_at else None,
        done=f"{row.num_done:,} rows",
        by=_name(row.created_by),
        link=reverse("export", args=[slug, row.pk]),
    )


def _batch(row: Batch, slug: str) -> Work:
    return _of(
        row,
        WorkKind.BATCH,
        what=f"{row.deployment}, {row.k} items for each",
        progress=row.share_done,
        done=f"{row.num_done:,} of {row.num_users:,} users",
        link=reverse("batch", args=[slug, row.pk]),
    )


def _replay(row: Replay, slug: str) -> Work:
    return _of(
        row,
        WorkKind.REPLAY,
        what=f"{row.deployment.name}, {row.event_type}, {row.hours} h",
        progress=row.share_done if row.num_answers else None,
        done=f"{row.num_done:,} answers",
        by=row.created_by,
        link=reverse("deployment", args=[slug, row.deployment.name]) + "#replays",
    )


def _erasure(row: Any, slug: str) -> Work:
    """Its places say by themselves when they are done: nobody holds it, and it cannot be called back."""
    num_done = row.num_parts - row.num_pending
    return Work(
        kind=WorkKind.ERASURE,
        id=row.pk,
        what=f"{row.kind} {row.entity_id}",
        state=row.state,
        progress=num_done / row.num_parts if row.num_parts else None,
        done=f"{num_done} of {row.num_parts} places",
        created_at=row.ordered_at,
        started_at=row.ordered_at,
        finished_at=row.finished_at,
        by=row.asked_by,
        link=reverse("erasure", args=[slug, row.pk]),
        error="",
        lease="",
        can_stop=False,
        again="",
    )


def _name(account: Any) -> str:
    return "" if account is None else str(account.get_username())


SOURCES: Final[Mapping[WorkKind, Callable[[Project], QuerySet[Any]]]] = {
    WorkKind.RUN: _runs,
    WorkKind.SEARCH: _searches,
    WorkKind.IMPORT: _imports,
    WorkKind.EXPORT: _exports,
    WorkKind.BATCH: _batches,
    WorkKind.REPLAY: _replays,
    WorkKind.ERASURE: _erasures,
}
READERS: Final[Mapping[WorkKind, Callable[[Any, str], Work]]] = {
    WorkKind.RUN: _run,
    WorkKind.SEARCH: _search,
    WorkKind.IMPORT: _import,
    WorkKind.EXPORT: _export,
    WorkKind.BATCH: _batch,
    WorkKind.REPLAY: _replay,
    WorkKind.ERASURE: _erasure,
}


def kinds_named(name: str) -> Iterable[WorkKind]:
    """One kind, or all of them for anything that is none."""
    return (WorkKind(name),) if name in KIND_NAMES else tuple(WorkKind)
