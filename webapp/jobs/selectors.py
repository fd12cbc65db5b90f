"""A project's long work in one order, who holds what, and who began it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from webapp.accounts.models import Project
from webapp.audit.models import AuditEntry
from webapp.core.errors import Invalid, NotFound
from webapp.core.models import Lease
from webapp.core.paging import Page, cursor_of, key_of
from webapp.jobs.sources import work_row, work_rows
from webapp.jobs.work import KIND_NAMES, Work, WorkKind
from webapp.registry.models import ModelVersion

PAGE = 40
BEGAN_BY = {WorkKind.RUN: "run_start", WorkKind.SEARCH: "search_start", WorkKind.BATCH: "batch_start"}


@dataclass(frozen=True, slots=True)
class Held:
    """A lease: who holds it, since when, and how long ago it was heard of. `is_live`: it has not run out."""

    name: str
    holder: str
    acquired_at: datetime
    heartbeat_at: datetime
    is_live: bool


def work_page(
    *, project: Project, kinds: Iterable[WorkKind], is_open: bool | None, cursor: str = "", limit: int = PAGE
) -> Page[Work]:
    """Newest first over all kinds. Raises `Invalid` for a broken cursor."""
    behind = _place(cursor) if cursor else None
    found: list[Work] = []
    for kind in kinds:
        until = None if behind is None else behind[0]
        # two more: what was shown of the cursor's own moment
        found += work_rows(kind, project, is_open=is_open, until=until, limit=limit + 3)
    ordered = sorted(
        (one for one in found if behind is None or one.key < behind), key=lambda one: one.key, reverse=True
    )
    rows = ordered[:limit]
    last = rows[-1].key if len(ordered) > limit else None
    return Page(rows, cursor_of(f"{last[0].isoformat()} {last[1]} {last[2]}") if last else None)


def work_get(*, project: Project, kind: str, work_id: int) -> tuple[object, Work]:
    """Raises `NotFound`."""
    found = work_row(WorkKind(kind), project, work_id) if kind in KIND_NAMES else None
    if found is None:
        raise NotFound(f"There is no {kind[:20]} {work_id}.")
    return found


def leases_of(*, rows: Sequence[Work]) -> dict[str, Held]:
    """By name, of those work that somebody holds or held."""
    return _held(name for name in {one.lease for one in rows if one.is_open} if name)


def project_leases(*, project: Project) -> list[Held]:
    """The joiner's and each trainer's."""
    versions = ModelVersion.objects.filter(model__project=project).values_list("pk", flat=True)
    names = [f"joiner:{project.pk}", *(f"trainer:{pk}" for pk in versions[:500])]
    return sorted(_held(names).values(), key=lambda one: one.name)


def began_by(*, project: Project, rows: Sequence[Work]) -> dict[tuple[str, int], str]:
    """Who asked for work that does not say so itself, from the audit log; by kind and id."""
    targets = {f"{one.kind} {one.id}": one for one in rows if not one.by and one.kind in BEGAN_BY}
    if not targets:
        return {}
    entries = AuditEntry.objects.filter(project=project, target__in=targets, action__in=BEGAN_BY.values())
    return {
        (targets[target].kind.value, targets[target].id): actor
        for target, actor in entries.values_list("target", "actor_name")
    }


def _held(names: Iterable[str]) -> dict[str, Held]:
    now = timezone.now()
    return {
        one.name: Held(one.name, one.holder, one.acquired_at, one.heartbeat_at, one.expires_at > now)
        for one in Lease.objects.filter(name__in=list(names))
    }


def _place(cursor: str) -> tuple[datetime, str, int]:
    at, _, rest = key_of(cursor).partition(" ")
    kind, _, number = rest.partition(" ")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or kind not in KIND_NAMES:
            raise ValueError(cursor)
        return moment, kind, int(number)
    except ValueError:
        raise Invalid.field("cursor", "must be a next_cursor of an earlier answer", repr(cursor[:80])) from None
