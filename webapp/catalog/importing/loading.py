"""Loading a file of events through `events_ingest`, resumably.

Progress is written after each batch, outside the batch's own transaction. A kill between the two repeats one batch, whose
event ids are known by then, so that nothing is doubled.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import F
from django.db.models.functions import Now

from webapp.accounts.models import Project
from webapp.catalog import services
from webapp.catalog.importing.reading import BrokenRow
from webapp.catalog.importing.rows import Row
from webapp.catalog.models import Import

MAX_ERROR_CHARACTERS = 2_000


@dataclass(slots=True)
class Totals:
    """Rows of this load so far, those of earlier attempts included."""

    num_rows: int = 0
    num_accepted: int = 0
    num_repeated: int = 0
    num_rejected: int = 0


class RejectedWriter(Protocol):
    def __call__(self, number: int, problems: list[dict[str, str]], row: Any, /) -> None: ...


def import_begin(*, project: Project, file_name: str, fingerprint: str, restart: bool = False) -> Import:
    """The load's row: a new one, or the one to go on with. `restart` counts from nothing again."""
    found, _ = Import.objects.get_or_create(
        project=project, fingerprint=fingerprint, defaults={"file_name": file_name[:400]}
    )
    changes: dict[str, Any] = {}
    if restart:
        changes = {"num_rows_done": 0, "num_accepted": 0, "num_repeated": 0, "num_rejected": 0}
    if restart or found.state != Import.State.FINISHED:
        changes |= {"state": Import.State.RUNNING, "error": ""}
    if changes:
        Import.objects.filter(pk=found.pk).update(**changes, updated_at=Now())
        found.refresh_from_db()
    return found


def import_failed(*, loading: Import, error: str) -> None:
    Import.objects.filter(pk=loading.pk).update(
        state=Import.State.FAILED, error=error[:MAX_ERROR_CHARACTERS], updated_at=Now()
    )


def load(
    *,
    loading: Import,
    rows: Iterable[Row | BrokenRow],
    batch_size: int,
    on_batch: Callable[[Totals], None] = lambda _: None,
    on_rejected: RejectedWriter = lambda *_: None,
) -> Totals:
    """Ingest what is not done yet, in the order given, and mark the import finished.

    Raises `LogError` when the log is away; everything before is done and noted.
    """
    remaining = itertools.islice(iter(rows), loading.num_rows_done, None)
    totals = Totals(loading.num_rows_done, loading.num_accepted, loading.num_repeated, loading.num_rejected)
    for batch in _batches(remaining, batch_size):
        good = [row for row in batch if isinstance(row, Row)]
        report = services.events_ingest(
            project=loading.project,
            rows=[row.event for row in good],
            source=f"load:{loading.file_name}",
            first_row_number=good[0].number if good else 0,
        )
        for result in report.results:
            if result.status == "rejected":
                row = good[result.index]
                on_rejected(row.number, [problem.as_dict() for problem in result.problems], row.event)
        broken = [row for row in batch if isinstance(row, BrokenRow)]
        for unread in broken:
            problem = {"field": "(row)", "rule": unread.rule, "received": unread.text}
            on_rejected(unread.number, [problem], unread.text)
        _note(loading, len(batch), report, len(broken))
        totals.num_rows += len(batch)
        totals.num_accepted += report.num_accepted
        totals.num_repeated += report.num_repeated
        totals.num_rejected += report.num_rejected + len(broken)
        on_batch(totals)
    Import.objects.filter(pk=loading.pk).update(state=Import.State.FINISHED, error="", updated_at=Now())
    return totals


def _note(loading: Import, num_rows: int, report: services.IngestReport, num_broken: int) -> None:
    Import.objects.filter(pk=loading.pk).update(
        num_rows_done=F("num_rows_done") + num_rows,
        num_accepted=F("num_accepted") + report.num_accepted,
        num_repeated=F("num_repeated") + report.num_repeated,
        num_rejected=F("num_rejected") + report.num_rejected + num_broken,
        updated_at=Now(),
    )


def _batches(rows: Iterator[Row | BrokenRow], size: int) -> Iterator[list[Row | BrokenRow]]:
    while batch := list(itertools.islice(rows, size)):
        yield batch
