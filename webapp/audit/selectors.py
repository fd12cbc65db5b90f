"""Entries of a project's audit log, by what is asked for, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from webapp.accounts.models import Project
from webapp.audit.models import AuditEntry
from webapp.core.errors import Invalid
from webapp.core.paging import Page, cursor_of, key_of

PAGE = 50
LOOKED_AT_FOR_CHOICES = 2_000


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What to show: all of it when empty. `actor` and `action` whole, `target` from its start; `since` is included, `until` is not."""

    actor: str = ""
    action: str = ""
    target: str = ""
    since: datetime | None = None
    until: datetime | None = None


def audit_page(*, project: Project, wanted: AuditFilter, cursor: str = "", limit: int = PAGE) -> Page[AuditEntry]:
    """Entries behind `cursor`, newest first. Raises `Invalid` for a cursor that is not one of ours."""
    rows = list(_behind(_matching(project, wanted), cursor)[: limit + 1])
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows, cursor_of(f"{rows[-1].at.isoformat()} {rows[-1].pk}") if more else None)


def audit_entries(*, project: Project, wanted: AuditFilter, limit: int) -> Iterator[AuditEntry]:
    """At most `limit` entries, newest first."""
    return _matching(project, wanted)[:limit].iterator(chunk_size=1000)


def audit_choices(*, project: Project) -> tuple[list[str], list[str]]:
    """Actors and actions of the newest entries, by name: what a filter suggests."""
    newest = AuditEntry.objects.filter(project=project).values_list("actor_name", "action")[:LOOKED_AT_FOR_CHOICES]
    seen = list(newest)
    return sorted({actor for actor, _ in seen}), sorted({action for _, action in seen})


def _matching(project: Project, wanted: AuditFilter) -> QuerySet[AuditEntry]:
    found = AuditEntry.objects.filter(project=project)
    if wanted.actor:
        found = found.filter(actor_name=wanted.actor)
    if wanted.action:
        found = found.filter(action=wanted.action)
    if wanted.target:
        found = found.filter(target__startswith=wanted.target)
    if wanted.since:
        found = found.filter(at__gte=wanted.since)
    if wanted.until:
        found = found.filter(at__lt=wanted.until)
    return found


def _behind(entries: QuerySet[AuditEntry], cursor: str) -> QuerySet[AuditEntry]:
    if not cursor:
        return entries
    at, _, key = key_of(cursor).partition(" ")
    try:
        moment, number = datetime.fromisoformat(at), int(key)
        if moment.tzinfo is None or not 0 < number < 2**63:
            raise ValueError(cursor)
    except ValueError:
        raise Invalid.field("cursor", "must be a next_cursor of an earlier answer", repr(cursor[:80])) from None
    return entries.filter(at__lte=moment).filter(Q(at__lt=moment) | Q(at=moment, pk__lt=number))
