"""Loading a file of events, items or users through the services that take them, resumably.

Progress is written after each batch, outside the batch's own transaction. A kill between the two repeats one batch, whose
event ids are known by then, so that nothing is doubled.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from django.db.models import F
from django.db.models.functions import Coalesce, Now

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


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch of rows; `rejected` are places in the batch with every broken rule."""

    num_accepted: int
    num_repeated: int
    rejected: list[tuple[int, list[dict[str, str]]]]


class Taker(Protocol):
    def __call__(self, loading: Import, rows: list[Row], /) -> Taken:
        """Write the good rows durably. Raises `LogError` when none was written."""


def take_events(loading: Import, rows: list[Row]) -> Taken:
    report = services.events_ingest(
        project=loading.project,
        rows=[row.event for row in rows],
        source=f"load:{loading.file_name}",
        first_row_number=rows[0].number if rows else 0,
    )
    return Taken(report.num_accepted, report.num_repeated, _rejected(report.results))


def take_items(loading: Import, rows: list[Row]) -> Taken:
    put = services.items_put(project=loading.project, rows=[row.event for row in rows])
    return Taken(put.num_written, 0, _rejected(put.results))


def take_users(loading: Import, rows: list[Row]) -> Taken:
    put = services.users_put(project=loading.project, rows=[row.event for row in rows])
    return Taken(put.num_written, 0, _rejected(put.results))


TAKERS: Final[dict[str, Taker]] = {
    Import.Kind.EVENTS.value: take_events,
    Import.Kind.ITEMS.value: take_items,
    Import.Kind.USERS.value: take_users,
}


def import_begin(*, project: Project, file_name: str, fingerprint: str, restart: bool = False) -> Import:
    """The load's row: a new one, or the one to go on with. `restart` counts from nothing again."""
    found, _ = Import.objects.get_or_create(
        project=project, fingerprint=fingerprint, defaults={"file_name": file_name[:400]}
    )
    changes: dict[str, Any] = {}
    if restart:
        changes = {"num_rows_done": 0, "num_accepted": 0, "num_repeated": 0, "num_rejected": 0}
    if restart or found.state != Import.State.FINISHED:
        changes |= {"state": Import.State.RUNNING, "error": "", "finished_at": None}
        changes["started_at"] = Coalesce(F("started_at"), Now())
    if changes:
        Import.objects.filter(pk=found.pk).update(**changes, updated_at=Now())
        found.refresh_from_db()
    return found


def import_failed(*, loading: Import, error: str) -> None:
    Import.objects.filter(pk=loading.pk).update(
        state=Import.State.FAILED, error=error[:MAX_ERROR_CHARACTERS], finished_at=Now(), updated_at=Now()
    )


def load(
    *,
    loading: Import,
    rows: Iterable[Row | BrokenRow],
    batch_size: int,
    on_batch: Callable[[Totals], None] = lambda _: None,
    on_rejected: RejectedWriter = lambda *_: None,
) -> Totals:
    """Take in what is not done yet, in the order given, and mark the import finished.

    Raises `LogError` when the log is away, and what `on_batch` raises; everything before is done and noted.
    """
    take = TAKERS[loading.kind]
    remaining = itertools.islice(iter(rows), loading.num_rows_done, None)
    totals = Totals(loading.num_rows_done, loading.num_accepted, loading.num_repeated, loading.num_rejected)
    for batch in _batches(remaining, batch_size):
        good = [row for row in batch if isinstance(row, Row)]
        taken = take(loading, good)
        for place, problems in taken.rejected:
            on_rejected(good[place].number, problems, good[place].event)
        broken = [row for row in batch if isinstance(row, BrokenRow)]
        for unread in broken:
            problem = {"field": "(row)", "rule": unread.rule, "received": unread.text}
            on_rejected(unread.number, [problem], unread.text)
        num_rejected = len(taken.rejected) + len(broken)
        _note(loading, len(batch), taken, num_rejected)
        totals.num_rows += len(batch)
        totals.num_accepted += taken.num_accepted
        totals.num_repeated += taken.num_repeated
        totals.num_rejected += num_rejected
        on_batch(totals)
    Import.objects.filter(pk=loading.pk).update(
        state=Import.State.FINISHED, wanted=False, error="", finished_at=Now(), updated_at=Now()
    )
    return totals


def _rejected(results: Iterable[services.RowResult | services.PutResult]) -> list[tuple[int, list[dict[str, str]]]]:
    return [
        (result.index, [problem.as_dict() for problem in result.problems])
        for result in results
        if result.status == "rejected"
    ]


def _note(loading: Import, num_rows: int, taken: Taken, num_rejected: int) -> None:
    Import.objects.filter(pk=loading.pk).update(
        num_rows_done=F("num_rows_done") + num_rows,
        num_accepted=F("num_accepted") + taken.num_accepted,
        num_repeated=F("num_repeated") + taken.num_repeated,
        num_rejected=F("num_rejected") + num_rejected,
        updated_at=Now(),
    )


def _batches(rows: Iterator[Row | BrokenRow], size: int) -> Iterator[list[Row | BrokenRow]]:
    while batch := list(itertools.islice(rows, size)):
        yield batch
