"""Refused events by reason, one by one, and whether there are more than are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, QuerySet

from webapp.accounts.models import Project
from webapp.catalog.inbox_models import DeadEvent, DeadEventCount, Inbox
from webapp.core.errors import Invalid, NotFound
from webapp.core.paging import Page, newest_page

MAX_IDS = 1000

TITLES = {
    "not_json": "Not JSON",
    "not_an_event": "Not an event",
    "unknown_type": "Unknown event type",
    "missing_field": "Missing field",
    "undeclared_field": "Undeclared field",
    "invalid_value": "Invalid value",
    "clock_ahead": "Clock ahead",
    "not_held": "No longer held",
    "trimmed": "Trimmed before it was read",
    "other": "Other reasons",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which refused events: those with these ids, or all of a reason (and field), or with neither all there are."""

    ids: tuple[int, ...] = ()
    reason: str | None = None
    field: str | None = None

    def of(self, project: Project) -> QuerySet[DeadEvent]:
        """Raises `Invalid` for too many ids."""
        if len(self.ids) > MAX_IDS:
            raise Invalid.field("ids", f"must have at most {MAX_IDS} ids", str(len(self.ids)))
        chosen = DeadEvent.objects.filter(project=project)
        if self.ids:
            return chosen.filter(pk__in=self.ids)
        for name, value in (("reason", self.reason), ("field", self.field)):
            if value is not None:
                if "\x00" in value:
                    raise Invalid.field(name, "must not contain the NUL character", ascii(value[:80]))
                chosen = chosen.filter(**{name: value})
        return chosen

    @property
    def is_whole(self) -> bool:
        """Whether it takes in what was only counted too."""
        return not self.ids


@dataclass(slots=True)
class DeadGroup:
    """Refused events of one reason and field: `num_kept` to look at, and `num_counted` of which only the number is known."""

    reason: str
    field: str
    num_kept: int
    num_counted: int
    first_at: datetime
    last_at: datetime

    @property
    def title(self) -> str:
        return TITLES.get(self.reason, self.reason)

    @property
    def num_all(self) -> int:
        return self.num_kept + self.num_counted


@dataclass(frozen=True, slots=True)
class InboxState:
    """`groups` with the most events first; `flooded_at` since when more arrive than are kept, None while all are."""

    groups: list[DeadGroup]
    flooded_at: datetime | None

    @property
    def num_kept(self) -> int:
        return sum(group.num_kept for group in self.groups)

    @property
    def num_counted(self) -> int:
        return sum(group.num_counted for group in self.groups)


def inbox_state(*, project: Project) -> InboxState:
    groups: dict[tuple[str, str], DeadGroup] = {}
    rows = DeadEvent.objects.filter(project=project).values("reason", "field")
    for row in rows.annotate(num=Count("id"), first=Min("buried_at"), last=Max("buried_at")):
        group = DeadGroup(row["reason"], row["field"], row["num"], 0, row["first"], row["last"])
        groups[group.reason, group.field] = group
    for count in DeadEventCount.objects.filter(project=project):
        if not count.num_open:
            continue
        empty = DeadGroup(count.reason, count.field, 0, 0, count.first_at, count.last_at)
        group = groups.setdefault((count.reason, count.field), empty)
        group.num_counted = count.num_open
        group.first_at, group.last_at = min(group.first_at, count.first_at), max(group.last_at, count.last_at)
    ordered = sorted(groups.values(), key=lambda group: (-group.num_all, group.reason, group.field))
    return InboxState(ordered, flooded_at(project=project))


def flooded_at(*, project: Project) -> datetime | None:
    """Since when more bad messages arrive than are kept."""
    return Inbox.objects.filter(project=project).values_list("flooded_at", flat=True).first()


def dead_events_page(
    *, project: Project, selection: Selection, cursor: str | None = None, limit: int = 100
) -> Page[DeadEvent]:
    """The selected, newest first. Raises `Invalid` for a broken cursor."""
    return newest_page(selection.of(project), cursor=cursor, limit=limit)


def dead_event_get(*, project: Project, dead_event_id: int) -> DeadEvent:
    """Raises `NotFound`."""
    found = DeadEvent.objects.filter(project=project, pk=dead_event_id).first() if dead_event_id < 2**63 else None
    if found is None:
        raise NotFound(f"There is no dead event {dead_event_id}; it may have been replayed or discarded.")
    return found
