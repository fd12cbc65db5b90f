"""Impressions that clients confirm: what was served is kept in the log, and given to the event that says what was shown.

A deployment whose `impressions.logging` is `confirmed` logs no impression when it answers. What it served is appended to `events` as a
record of role `other`, which teaches nobody anything, and the answer's `recommendation_id` names its place in the log:
`<32 hexadecimal digits>-<partition>-<offset>`. When an impression event comes back with that id through `POST /events`, the
features, sources and propensities of then are written into it. Nothing else is kept for it, and it is found as long as the log keeps
events. An impression that a producer writes to the topic itself gets the features that the joiner knows.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Final

from engine.errors import CorruptRecord, LogError
from engine.spec.event import Event
from engine.spec.schema import EventRole
from engine.spec.served import Served
from engine.streams import topics
from engine.streams.log import Position
from webapp.accounts.models import Project
from webapp.core.log import event_log

logger = logging.getLogger(__name__)

KEPT_TYPE: Final = "freshet.kept"
"""It cannot be declared in a schema, nor sent to the API."""

MAX_LOOKED_UP: Final = 500
"""Of one request's rows: each costs a read of the log. The others are taken without features."""

UNLISTED: Final = "unlisted"
"""The source of an item that the client showed and that was not answered."""

_PLACED = re.compile(rb'"recommendation_id":"([0-9a-f]{32})-(\d{1,5})-(\d{1,18})"')
_IS_IMPRESSION = b'"role":"impression"'


def placed_id(recommendation_id: str, place: Position) -> str:
    """The id that a client is told, from the kept record's own and where it is."""
    return f"{recommendation_id}-{place.partition}-{place.offset}"


def with_what_was_served(project: Project, values: list[bytes]) -> list[bytes]:
    """Events in the log's form, those that confirm an answer with its features and what served it; others as they are."""
    confirming = [number for number, value in enumerate(values) if _IS_IMPRESSION in value]
    if not confirming:
        return values
    completed, num_left = list(values), MAX_LOOKED_UP
    for number in confirming:
        value = values[number]
        found = _PLACED.search(value)
        if found is None or not num_left:
            continue
        num_left -= 1
        kept = _kept(project, found[1].decode(), Position(int(found[2]), int(found[3])))
        if kept is not None:
            completed[number] = _completed(value, kept, found[0])
    return completed


def _kept(project: Project, recommendation_id: str, place: Position) -> Event | None:
    """None when there is no such record there: the id is a client's own, or the log has let it go."""
    try:
        records = event_log().read(topics.events(project.slug), place.partition, place.offset, max_records=1)
        kept = Event.from_bytes(records[0].value) if records else None
    except (LogError, CorruptRecord) as error:
        logger.info("what was served at %s cannot be read: %s", place, error)
        return None
    if kept is None or kept.type != KEPT_TYPE or kept.recommendation_id != recommendation_id:
        return None
    return kept


def _completed(value: bytes, kept: Event, found: bytes) -> bytes:
    """As it is when it confirms another user's answer, or says the id elsewhere than where an event says it."""
    event = Event.from_bytes(value)
    is_said = event.recommendation_id is not None and event.recommendation_id.encode() in found
    if not is_said or event.role is not EventRole.IMPRESSION or event.user_id != kept.user_id:
        return value
    return replace(event, features=kept.features, served=_as_shown(event, kept)).to_bytes()


def _as_shown(event: Event, kept: Event) -> Served | None:
    """The sources and propensities of the items that were shown, in the order in which they were."""
    if kept.served is None:
        return None
    served = kept.served
    places = {shown.item_id: place for place, shown in enumerate(kept.items)}
    shown = [places.get(item_id) for item_id in event.item_ids]
    return replace(
        served,
        sources=tuple(UNLISTED if place is None else served.sources[place] for place in shown),
        propensities=tuple(1.0 if place is None else served.propensities[place] for place in shown),
    )
