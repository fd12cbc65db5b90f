"""What a user did and what was done with an item, without reading a log of millions.

A user's history is what replicas keep to serve by: the last items acted on, some hundreds at most. Where none answers, and for an item,
the newest events of the log are looked through, so many and no more.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

import orjson

from engine.errors import CorruptRecord, UnknownTopic
from engine.serving.known import Deed, UserKnown
from engine.spec.event import Event
from engine.spec.intake import Intake
from engine.spec.schema import EventRole
from engine.streams import topics
from engine.streams.log import StoredRecord
from webapp.accounts.models import Project
from webapp.core.log import event_log
from webapp.registry.selectors import event_validator

PAGE: Final = 20
LOOKED_AT: Final = 1_000
"""Records of the log's end: reading them takes some ten milliseconds."""


@dataclass(frozen=True, slots=True)
class History:
    """`deeds` is one page of the `num_deeds` known, newest first. `source`: `replica`, or `log` for the newest events alone."""

    deeds: tuple[Deed, ...]
    num_deeds: int
    page: int
    num_pages: int
    source: str

    @property
    def earlier(self) -> int | None:
        """The page behind this one."""
        return self.page + 1 if self.page < self.num_pages else None

    @property
    def later(self) -> int | None:
        return self.page - 1 if self.page > 1 else None


@dataclass(frozen=True, slots=True)
class ItemActivity:
    """Of the newest `num_events` events of the project: how often the item was shown, and by type how often it was acted on."""

    num_events: int
    num_shown: int
    actions: dict[str, int]
    newest: tuple[Deed, ...]
    """The newest deeds; `item_id` holds the user's id, for it is the item's page."""

    @property
    def num_acted(self) -> int:
        return sum(self.actions.values())

    @property
    def acted_share(self) -> float | None:
        """Actions for each time it was shown; None when it was not."""
        return self.num_acted / self.num_shown if self.num_shown else None


def history_of(*, project: Project, user_id: str, known: UserKnown | None, page: str) -> History:
    """A page of what the user did; `page` is as an address has it, and what is no number is the first."""
    deeds = _merged(known) if known is not None else _from_log(project, user_id)
    num_pages = max(1, -(-len(deeds) // PAGE))
    number = min(max(1, int(page)), num_pages) if page.isascii() and page.isdecimal() and len(page) < 6 else 1
    chosen = deeds[(number - 1) * PAGE : number * PAGE]
    return History(chosen, len(deeds), number, num_pages, "log" if known is None else "replica")


def actions_on_item(*, project: Project, item_id: str) -> ItemActivity:
    """What the newest events of the log say of the item."""
    events, num_looked_at = _newest_naming(project, item_id)
    shown = 0
    actions: Counter[str] = Counter()
    newest: list[Deed] = []
    for event in events:
        if item_id not in event.item_ids:
            continue
        if event.role is EventRole.IMPRESSION:
            shown += 1
        elif event.role is EventRole.ACTION:
            actions[event.type] += 1
            newest.append(Deed(event.user_id, event.type, event.timestamp_ms))
    return ItemActivity(num_looked_at, shown, dict(actions), tuple(newest[:PAGE]))


def _merged(known: UserKnown) -> tuple[Deed, ...]:
    return tuple(sorted((*known.history, *known.watched), key=lambda deed: deed.time_ms, reverse=True))


def _from_log(project: Project, user_id: str) -> tuple[Deed, ...]:
    events, _ = _newest_naming(project, user_id)
    return tuple(
        Deed(item_id, event.type, event.timestamp_ms)
        for event in events
        if event.user_id == user_id and event.role is not EventRole.IMPRESSION
        for item_id in event.item_ids
    )


def _newest_naming(project: Project, entity_id: str) -> tuple[list[Event], int]:
    """Events among the newest `LOOKED_AT` in which the id stands somewhere, newest first, and how many were looked at.

    Only those are decoded: that the bytes of the id are in it is found out of a record in a microsecond.
    """
    log, topic = event_log(), topics.events(project.slug)
    try:
        ends, earliest = log.end_offsets(topic), log.earliest_offsets(topic)
    except UnknownTopic:
        return [], 0
    share = max(1, LOOKED_AT // max(1, len(ends)))
    # As orjson writes it, and as other producers may: a quote of the id within another text is found out when it is decoded.
    spellings = {orjson.dumps(entity_id), json.dumps(entity_id).encode()}
    intake = Intake(event_validator(project=project), time.time)
    events: list[Event] = []
    num_looked_at = 0
    for partition, end in ends.items():
        first = max(earliest[partition], end - share)
        records = log.read(topic, partition, first, share) if end > first else []
        num_looked_at += len(records)
        events += [
            event
            for record in records
            if any(one in record.value for one in spellings) and (event := _read(intake, record)) is not None
        ]
    return sorted(events, key=lambda event: event.received_ms, reverse=True), num_looked_at


def _read(intake: Intake, record: StoredRecord) -> Event | None:
    try:
        return intake.read(record.value, record.timestamp_ms)
    except CorruptRecord:
        return None
