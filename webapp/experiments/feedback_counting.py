"""Counting one bite of events: pure, from what is remembered of recommendations to what is to be added and remembered.

Actions count for the hour, deployment, arm, source and place of what was shown. An item of a recommendation counts once for each type
of action, so that a rate is a share, and an event that comes twice changes nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from engine.spec.event import Event
from engine.spec.schema import EventRole
from engine.spec.served import SHADOW_TYPE
from engine.streams.log import Position

HOUR_MS: Final = 3_600_000
LAST_POSITION: Final = 99
MAX_SOURCE: Final = 63
MAX_FOLLOWED: Final = 200
"""The newest actions on one recommendation that are kept with their times."""

SHOWN: Final = ""
"""In place of an event type: items shown."""


class CountKey(NamedTuple):
    hour_ms: int
    deployment: str
    revision: int
    experiment: str
    arm: str
    source: str
    position: int
    type: str


class UserKey(NamedTuple):
    experiment: str
    arm: str
    user: int
    type: str


class ShadowKey(NamedTuple):
    hour_ms: int
    deployment: str
    shown: str


@dataclass(slots=True)
class Shown:
    """One recommendation that actions may follow. `acted` is event type -> places, `shadows` deployment -> what it would have shown,
    `followed` the actions counted: [event type, place, time in ms, event id]. `partition` and `offset` are its impression's."""

    key: int
    shown_ms: int
    user: int
    deployment: str
    revision: int
    experiment: str
    arm: str
    items: list[str]
    sources: list[str]
    acted: dict[str, list[int]] = field(default_factory=dict)
    shadows: dict[str, list[str]] = field(default_factory=dict)
    followed: list[list[Any]] | None = None
    partition: int | None = None
    offset: int | None = None

    @property
    def hour_ms(self) -> int:
        return self.shown_ms - self.shown_ms % HOUR_MS


@dataclass(slots=True)
class ShadowSums:
    num_requests: int = 0
    num_places: int = 0
    num_shared: int = 0
    num_acted: int = 0
    num_acted_shared: int = 0
    sum_reciprocal_shown: float = 0.0
    sum_reciprocal_shadow: float = 0.0


@dataclass(slots=True)
class Sums:
    """What one bite adds. `changed` are keys of recommendations whose `acted` or `shadows` grew."""

    counts: Counter[CountKey] = field(default_factory=Counter)
    users: Counter[UserKey] = field(default_factory=Counter)
    shadows: dict[ShadowKey, ShadowSums] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    num_unattributed: int = 0

    def of_shadow(self, shown: Shown, deployment: str) -> ShadowSums:
        return self.shadows.setdefault(ShadowKey(shown.hour_ms, deployment, shown.deployment), ShadowSums())


def hash_of(text: str) -> int:
    """64 bits of a hash that stays the same, signed as PostgreSQL's bigint is."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def shown_in(events: Iterable[Event], places: Mapping[str, Position] | None = None) -> dict[int, Shown]:
    """The recommendations among the events that say what served them; of one that comes twice the first. `places` are those of the
    events in the log, by id."""
    found: dict[int, Shown] = {}
    for event in events:
        served = event.served
        if served is None or event.role is not EventRole.IMPRESSION or event.recommendation_id is None:
            continue
        key = hash_of(event.recommendation_id)
        if key in found:
            continue
        items = list(event.item_ids)
        sources = [source[:MAX_SOURCE] for source in served.sources[: len(items)]]
        place = (places or {}).get(event.event_id)
        found[key] = Shown(
            key=key,
            shown_ms=event.received_ms,
            user=hash_of(event.user_id),
            deployment=served.deployment,
            revision=served.revision,
            experiment=served.experiment or "",
            arm=served.arm or "",
            items=items,
            sources=sources + [""] * (len(items) - len(sources)),
            partition=None if place is None else place.partition,
            offset=None if place is None else place.offset,
        )
    return found


def followers(events: Iterable[Event]) -> Iterator[tuple[Event, int]]:
    """Events that say which recommendation they belong to, actions and shadows, with its key."""
    for event in events:
        if event.type == SHADOW_TYPE:
            if event.served is not None and event.served.shadow_of is not None:
                yield event, hash_of(event.served.shadow_of)
        elif event.role is EventRole.ACTION and event.recommendation_id is not None:
            yield event, hash_of(event.recommendation_id)


def count_shown(fresh: Iterable[Shown], sums: Sums) -> None:
    """Adds what was shown now for the first time."""
    for shown in fresh:
        for position in range(len(shown.items)):
            sums.counts[_count_key(shown, position, SHOWN)] += 1
        if shown.experiment and shown.arm:
            sums.users[UserKey(shown.experiment, shown.arm, shown.user, SHOWN)] += len(shown.items)


def count_following(events: Iterable[Event], known: Mapping[int, Shown], oldest_ms: int, sums: Sums) -> None:
    """Adds what followed, and notes it on what is `known`. What was shown before `oldest_ms` is out of its window."""
    for event, key in followers(events):
        shown = known.get(key)
        if event.type == SHADOW_TYPE:
            if shown is not None:
                _count_shadow(event, shown, sums)
        elif shown is None or shown.shown_ms < oldest_ms or event.item_id not in shown.items:
            sums.num_unattributed += 1
        else:
            _count_action(event, event.item_id, shown, sums)


def _count_action(event: Event, item_id: str, shown: Shown, sums: Sums) -> None:
    event_type, position = event.type, shown.items.index(item_id)
    places = shown.acted.setdefault(event_type, [])
    if position in places:
        return
    places.append(position)
    shown.followed = [*(shown.followed or ()), [event_type, position, event.timestamp_ms, event.event_id]][
        -MAX_FOLLOWED:
    ]
    sums.changed.add(shown.key)
    sums.counts[_count_key(shown, position, event_type)] += 1
    if shown.experiment and shown.arm:
        sums.users[UserKey(shown.experiment, shown.arm, shown.user, event_type)] += 1
    for deployment, items in shown.shadows.items():
        compared = sums.of_shadow(shown, deployment)
        compared.num_acted += 1
        compared.sum_reciprocal_shown += 1 / (position + 1)
        if item_id in items:
            compared.num_acted_shared += 1
            compared.sum_reciprocal_shadow += 1 / (items.index(item_id) + 1)


def _count_shadow(event: Event, shown: Shown, sums: Sums) -> None:
    served = event.served
    if served is None or served.deployment in shown.shadows:
        return
    items = list(event.item_ids)
    shown.shadows[served.deployment] = items
    sums.changed.add(shown.key)
    compared = sums.of_shadow(shown, served.deployment)
    compared.num_requests += 1
    compared.num_places += len(shown.items)
    compared.num_shared += len(set(items) & set(shown.items))


def _count_key(shown: Shown, position: int, event_type: str) -> CountKey:
    return CountKey(
        shown.hour_ms,
        shown.deployment,
        shown.revision,
        shown.experiment,
        shown.arm,
        shown.sources[position],
        min(position, LAST_POSITION),
        event_type,
    )
