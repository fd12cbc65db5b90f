"""A recommendation by its id: its impression in the log, without reading the log through.

The job that counts feedback keeps where each impression is, for as long as actions on it count. One that it has not come to yet is
among the newest events; one that it has forgotten is found when somebody says about when it was; and an id that a client confirms
names its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import orjson

from engine.errors import CorruptRecord, OffsetOutOfRange, UnknownTopic
from engine.spec.event import Event
from engine.spec.schema import EventRole
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord
from webapp.accounts.models import Project
from webapp.catalog.confirming import KEPT_TYPE
from webapp.core.log import event_log
from webapp.experiments.feedback_counting import hash_of
from webapp.experiments.models import ShownLately
from webapp.tracing.seeking import backwards, bounds_of, forwards

NEWEST_LOOKED_AT: Final = 2_000
"""Of each partition: feedback is counted every few seconds."""

AROUND_LOOKED_AT: Final = 5_000
AROUND_MS: Final = 60_000
FOLLOWING_LOOKED_AT: Final = 3_000

_PLACED: Final = re.compile(r"^[0-9a-f]{32}-(\d{1,5})-(\d{1,18})$")


@dataclass(frozen=True)
class Followed:
    """An action on an item of the recommendation. `event_id` leads to what training did with it."""

    type: str
    item_id: str
    place: int
    time_ms: int
    event_id: str


@dataclass(frozen=True)
class Found:
    """`event` is the impression, or what was kept until a client confirms it (`is_shown` False). `followed` are oldest first;
    `follows_all` is False when only the events that came soon after were looked at."""

    event: Event
    partition: int
    offset: int
    is_shown: bool
    followed: tuple[Followed, ...]
    follows_all: bool


def recommendation_find(*, project: Project, recommendation_id: str, near_ms: int | None = None) -> Found | None:
    """None when it is nowhere that is looked; `near_ms` is about when it was given. Raises `LogError`."""
    if not recommendation_id or "\x00" in recommendation_id:
        return None
    log, topic = event_log(), topics.events(project.slug)
    known = ShownLately.objects.filter(project=project, key=hash_of(recommendation_id)).first()
    try:
        record = _search(log, topic, recommendation_id, known, near_ms)
        if record is None:
            return None
        stored, event = record
        followed, follows_all = _following(log, topic, event, stored, known)
    except UnknownTopic:
        return None
    is_shown = event.role is EventRole.IMPRESSION
    return Found(event, stored.partition, stored.offset, is_shown, followed, follows_all)


def _search(
    log: EventLog, topic: str, recommendation_id: str, known: ShownLately | None, near_ms: int | None
) -> tuple[StoredRecord, Event] | None:
    if known is not None and known.partition is not None and known.offset is not None:
        return _first(_at(log, topic, known.partition, known.offset), recommendation_id)
    placed = _PLACED.match(recommendation_id)
    if known is not None:
        return _around(log, topic, recommendation_id, known.shown_ms)
    if near_ms is not None:
        return _around(log, topic, recommendation_id, near_ms - AROUND_MS)
    for partition, bounds in bounds_of(log, topic).items():
        found = _first(backwards(log, topic, partition, bounds, NEWEST_LOOKED_AT), recommendation_id)
        if found is not None:
            return found
    if placed is not None:
        return _first(_at(log, topic, int(placed[1]), int(placed[2])), recommendation_id.partition("-")[0])
    return None


def _around(log: EventLog, topic: str, recommendation_id: str, since_ms: int) -> tuple[StoredRecord, Event] | None:
    for partition in log.partitions(topic):
        start = log.offset_at(topic, partition, since_ms)
        found = _first(forwards(log, topic, partition, start, AROUND_LOOKED_AT), recommendation_id)
        if found is not None:
            return found
    return None


def _at(log: EventLog, topic: str, partition: int, offset: int) -> list[StoredRecord]:
    try:
        return log.read(topic, partition, offset, max_records=1)
    except (OffsetOutOfRange, UnknownTopic):
        return []


def _first(records: Iterable[StoredRecord], recommendation_id: str) -> tuple[StoredRecord, Event] | None:
    """The first record that is the impression, or what was kept for one. What does not name the id is not parsed."""
    named = _naming(recommendation_id)
    for record in records:
        if named not in record.value:
            continue
        event = _event(record)
        if event is None or event.recommendation_id != recommendation_id:
            continue
        if event.role is EventRole.IMPRESSION or event.type == KEPT_TYPE:
            return record, event
    return None


def _following(
    log: EventLog, topic: str, event: Event, stored: StoredRecord, known: ShownLately | None
) -> tuple[tuple[Followed, ...], bool]:
    places = {item_id: place for place, item_id in reversed(list(enumerate(event.item_ids, start=1)))}
    if known is not None and known.followed is not None:
        items = list(event.item_ids)
        counted = [
            Followed(kind, items[place], place + 1, time_ms, event_id)
            for kind, place, time_ms, event_id in known.followed
            if place < len(items)
        ]
        return tuple(sorted(counted, key=lambda one: one.time_ms)), True
    if event.recommendation_id is None:
        return (), True
    named = _naming(event.recommendation_id)
    found: list[Followed] = []
    # A user's events are of one partition.
    for record in forwards(log, topic, stored.partition, stored.offset + 1, FOLLOWING_LOOKED_AT):
        if named in record.value and (later := _event(record)) is not None:
            is_on_it = later.role is EventRole.ACTION and later.recommendation_id == event.recommendation_id
            if is_on_it and later.item_id in places:
                place = places[later.item_id]
                found.append(Followed(later.type, later.item_id, place, later.timestamp_ms, later.event_id))
    return tuple(sorted(found, key=lambda one: one.time_ms)), False


def _event(record: StoredRecord) -> Event | None:
    try:
        return Event.from_bytes(record.value)
    except CorruptRecord:
        return None


def _naming(recommendation_id: str) -> bytes:
    return b'"recommendation_id":' + orjson.dumps(recommendation_id)
