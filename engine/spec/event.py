"""An event as it travels in the log, and the catalogue changes that travel beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from engine.errors import CorruptRecord
from engine.spec.schema import EventRole
from engine.spec.served import Served
from engine.spec.values import (
    BrokenRule,
    check_boolean,
    check_float,
    check_id,
    check_milliseconds,
    check_object,
    check_text,
)

_UNSERVED = b',"served":null}'


@dataclass(frozen=True, slots=True)
class ShownItem:
    """One item of an impression: its place in the list (from 0) and the score it was ordered by."""

    item_id: str
    position: int = 0
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One validated event. Times are integer milliseconds since the epoch, UTC.

    An impression names one `item_id` or a whole list in `items`; every other event names one `item_id`.
    `features` is what serving logged with the impression: {"user": {...}, "history": [...], "items": {item_id: {...}},
    "counters": {item_id: {"<counter>_<window>": number}}}. `served` says what served it; an event without says nothing in its bytes
    either, so that readers of before there was one understand it.
    """

    event_id: str
    type: str
    role: EventRole
    user_id: str
    item_id: str | None
    timestamp_ms: int
    received_ms: int
    recommendation_id: str | None = None
    items: tuple[ShownItem, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)
    features: dict[str, Any] | None = None
    served: Served | None = None

    @property
    def item_ids(self) -> tuple[str, ...]:
        """Those of the list, else the one, else none."""
        if self.items:
            return tuple([shown.item_id for shown in self.items])
        return () if self.item_id is None else (self.item_id,)

    def to_bytes(self) -> bytes:
        data = orjson.dumps(self)
        return data if self.served is not None else data.removesuffix(_UNSERVED) + b"}"

    @classmethod
    def from_bytes(cls, data: bytes) -> Event:
        try:
            raw = orjson.loads(data)
            # Where a replayed event came from: for people who read the topic by hand.
            raw.pop("origin", None)
            raw["role"] = EventRole(raw["role"])
            raw["items"] = tuple(ShownItem(**shown) for shown in raw["items"])
            if raw.get("served") is not None:
                raw["served"] = Served.of(raw["served"])
            event = cls(**raw)
            event._check()
        except (ValueError, TypeError, KeyError, AttributeError, BrokenRule) as error:
            raise CorruptRecord(f"not an event of the log: {error}") from error
        return event

    def _check(self) -> None:
        """Others may write to the topic as well, and what joins and serves relies on these types. Raises BrokenRule, TypeError."""
        for one in (self.event_id, self.user_id, *(shown.item_id for shown in self.items)):
            check_id(one)
        for optional in (self.item_id, self.recommendation_id):
            if optional is not None:
                check_id(optional)
        check_milliseconds(self.timestamp_ms)
        check_milliseconds(self.received_ms)
        check_object(self.properties)
        if self.features is not None:
            _check_features(check_object(self.features))


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """One user or item written or deleted; `properties` is the whole new set, never a patch. A `hidden` item is kept and learned
    from, and never answered."""

    kind: Literal["user", "item"]
    id: str
    properties: dict[str, Any] = field(default_factory=dict)
    deleted: bool = False
    updated_ms: int = 0
    hidden: bool = False

    def to_bytes(self) -> bytes:
        if self.hidden:
            return orjson.dumps(self)
        # As it was written before items could be hidden, so that older readers understand all but what they could not do.
        return orjson.dumps(
            {
                "kind": self.kind,
                "id": self.id,
                "properties": self.properties,
                "deleted": self.deleted,
                "updated_ms": self.updated_ms,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> CatalogChange:
        try:
            change = cls(**orjson.loads(data))
            if change.kind not in ("user", "item"):
                raise BrokenRule("kind must be user or item")
            check_id(change.id)
            check_object(change.properties)
            check_milliseconds(change.updated_ms)
            check_boolean(change.deleted)
            check_boolean(change.hidden)
        except (ValueError, TypeError, BrokenRule) as error:
            raise CorruptRecord(f"not a catalogue change: {error}") from error
        return change


def _check_features(features: dict[str, Any]) -> None:
    for name in ("user", "items", "counters"):
        if features.get(name) is not None:
            check_object(features[name])
    for item in (features.get("items") or {}).values():
        check_object(item)
    for values in (features.get("counters") or {}).values():
        for value in check_object(values).values():
            check_float(value)
    for name, check in (("history", check_id), ("history_types", check_text), ("history_times_ms", check_milliseconds)):
        values = features.get(name)
        if values is not None and type(values) is not list:
            raise BrokenRule(f"features.{name} must be a list")
        for value in values or ():
            check(value)
    if features.get("time_ms") is not None:
        check_milliseconds(features["time_ms"])
