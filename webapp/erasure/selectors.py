"""Receipts of erasures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.core.paging import Page, newest_page
from webapp.erasure.models import Erasure, Part, Place

COUNT_TITLES = {
    "rows": "embedding rows",
    "history": "items of the history",
    "history_items": "items of the history",
    "watched": "other events kept",
    "pending_impressions": "shown items that waited for an action",
    "early_actions": "actions that waited for their impression",
    "counters": "counters",
    "recent_actions": "actions that negatives are drawn from",
    "acted_together": "entries of what is acted on together",
    "item_catalogue": "entries of the trainer's item list",
    "num_crosses": "cross features",
    "rejected_rows": "rejected rows",
    "dead_events": "events of the inbox",
    "names": "names in reports",
}
"""What a count is of. `num_slots` is none of what was erased, and is left out."""


@dataclass(frozen=True, slots=True)
class Line:
    """A part of a receipt for people: `counted` is what went, as (how many, of what)."""

    part: Part
    title: str
    counted: Sequence[tuple[int, str]]
    num_crosses: int = 0


def erasures_page(*, project: Project, cursor: str | None = None, limit: int = 50) -> Page[Erasure]:
    """The newest first. Raises `Invalid` for a broken cursor."""
    return newest_page(erasures_of(project), cursor=cursor, limit=limit)


def erasure_get(*, project: Project, erasure_id: int) -> Erasure:
    """Raises `NotFound`."""
    found = erasures_of(project).filter(pk=erasure_id).first()
    if found is None:
        raise NotFound(f"There is no erasure {erasure_id}.")
    return found


def erasures_of(project: Project) -> QuerySet[Erasure]:
    return Erasure.objects.filter(project=project).prefetch_related("parts")


def erasures_open() -> QuerySet[Erasure]:
    """Of every project, those of which something is pending."""
    return Erasure.objects.filter(state=Erasure.State.RUNNING).select_related("project").prefetch_related("parts")


def counts_of(part: Part) -> dict[str, int]:
    """What went, over all partitions of the order."""
    total: dict[str, int] = {}
    for counts in part.counts.values():
        for name, num in counts.items():
            # Of the definition, not of a partition.
            total[name] = num if name.startswith("num_") else total.get(name, 0) + num
    return total


def lines_of(erasure: Erasure) -> list[Line]:
    """The receipt, in the order of the places."""
    order = list(Place.values)
    parts = sorted(erasure.parts.all(), key=lambda part: (order.index(part.place), part.name))
    return [_line(part) for part in parts]


def _line(part: Part) -> Line:
    counts = counts_of(part)
    crosses = counts.pop("num_crosses", 0)
    title = "rows of the catalogue" if part.place == Place.CATALOGUE else ""
    counted = [(num, title or COUNT_TITLES[name]) for name, num in counts.items() if name in COUNT_TITLES]
    return Line(part, Place(part.place).label, counted, crosses)
