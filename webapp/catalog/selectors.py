"""Users, items, refused rows, and the newest events."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, TypeVar

from django.db.models import Count, QuerySet

from engine.errors import CorruptRecord, UnknownTopic
from engine.spec.canary import is_canary
from engine.spec.document import shorten
from engine.spec.erasure import is_erasure
from engine.spec.event import Event
from engine.spec.intake import Intake
from engine.streams import topics
from engine.streams.log import StoredRecord
from webapp.accounts.models import Project
from webapp.catalog.models import Entity, Item, RejectedRow, User
from webapp.core.errors import Invalid, NotFound
from webapp.core.log import event_log
from webapp.core.paging import Page, clamp, cursor_of, key_of, newest_page
from webapp.registry.selectors import event_validator

RECORDS_LOOKED_AT = 2000
MAX_SOURCES = 50

EntityModel = TypeVar("EntityModel", bound=Entity)


def item_get(*, project: Project, item_id: str) -> Item:
    """Raises `NotFound`."""
    return _get(Item.objects.filter(project=project), "item", item_id)


def user_get(*, project: Project, user_id: str) -> User:
    """Raises `NotFound`."""
    return _get(User.objects.filter(project=project), "user", user_id)


def item_properties(*, project: Project, item_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Properties by item id, of those of `item_ids` that the catalogue knows."""
    items = Item.objects.filter(project=project, external_id__in=item_ids)
    return dict(items.values_list("external_id", "properties"))


def servable_item_ids(*, project: Project, item_ids: Collection[str]) -> set[str]:
    """Those of `item_ids` that the catalogue knows and that are not hidden."""
    items = Item.objects.filter(project=project, external_id__in=item_ids, hidden=False)
    return set(items.values_list("external_id", flat=True))


def items_page(*, project: Project, cursor: str | None = None, limit: int = 100, search: str = "") -> Page[Item]:
    """Items by id, those whose id contains `search`; `limit` is 1 to `MAX_PAGE`. Raises `Invalid` for a broken cursor."""
    return _page(Item.objects.filter(project=project), cursor, limit, search)


def users_page(*, project: Project, cursor: str | None = None, limit: int = 100, search: str = "") -> Page[User]:
    """Users by id, those whose id contains `search`; `limit` is 1 to `MAX_PAGE`. Raises `Invalid` for a broken cursor."""
    return _page(User.objects.filter(project=project), cursor, limit, search)


def rejected_page(
    *, project: Project, source: str = "", cursor: str | None = None, limit: int = 50
) -> Page[RejectedRow]:
    """Refused rows, newest first, those of one source where it is given. Raises `Invalid` for a broken cursor."""
    if "\x00" in source:
        raise Invalid.field("source", "must not contain the NUL character", shorten(source))
    rows = RejectedRow.objects.filter(project=project)
    if source:
        rows = rows.filter(source=source)
    return newest_page(rows, cursor=cursor, limit=limit)


def rejected_sources(*, project: Project) -> list[tuple[str, int]]:
    """Where refused rows came from and how many of each are kept, most first."""
    rows = RejectedRow.objects.filter(project=project).values_list("source").annotate(num=Count("pk"))
    return list(rows.order_by("-num", "source")[:MAX_SOURCES])


def recent_events(*, project: Project, limit: int = 100) -> list[Event]:
    """The newest `limit` events by place in the log, newest first; canaries and records that are no events are passed over.

    At most `RECORDS_LOOKED_AT` of each partition are looked at, or `limit` where that is more.
    """
    log, topic = event_log(), topics.events(project.slug)
    try:
        ends, earliest = log.end_offsets(topic), log.earliest_offsets(topic)
    except UnknownTopic:
        return []
    intake = Intake(event_validator(project=project), time.time)
    events: list[Event] = []
    for partition, end in ends.items():
        read = partial(log.read, topic, partition)
        events += _newest(read, intake, range(earliest[partition], end), limit)
    # Places of two partitions do not compare; the time of receipt does.
    events.sort(key=lambda event: event.received_ms)
    return events[::-1][:limit]


def _newest(read: Callable[[int, int], list[StoredRecord]], intake: Intake, offsets: range, limit: int) -> list[Event]:
    """The newest `limit` events at these offsets of a partition, oldest first. `read` answers so many records from an offset on."""
    found: list[Event] = []
    end, num_looked_at = offsets.stop, 0
    while end > offsets.start and len(found) < limit and num_looked_at < max(limit, RECORDS_LOOKED_AT):
        first = max(offsets.start, end - limit)
        records = read(first, end - first)
        found = [event for record in records if (event := _event(intake, record)) is not None] + found
        end, num_looked_at = first, num_looked_at + end - first
    return found[-limit:]


def _event(intake: Intake, record: StoredRecord) -> Event | None:
    try:
        event = intake.read(record.value, record.timestamp_ms)
    except CorruptRecord:
        return None
    return None if is_canary(event) or is_erasure(event) else event


def _get(rows: QuerySet[EntityModel], kind: str, entity_id: str) -> EntityModel:
    found = rows.filter(external_id=entity_id).first() if "\x00" not in entity_id else None
    if found is None:
        raise NotFound(f"There is no {kind} {shorten(entity_id)}.")
    return found


def _page(rows: QuerySet[EntityModel], cursor: str | None, limit: int, search: str) -> Page[EntityModel]:
    if "\x00" in search:
        raise Invalid.field("search", "must not contain the NUL character", shorten(search))
    if search:
        rows = rows.filter(external_id__icontains=search)
    if cursor:
        rows = rows.filter(external_id__gt=key_of(cursor))
    limit = clamp(limit)
    found = list(rows.order_by("external_id")[: limit + 1])
    page = found[:limit]
    return Page(page, cursor_of(page[-1].external_id) if len(found) > limit else None)
