"""An event as it travels in the log, and the catalogue changes that travel beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from engine.errors import CorruptRecord
from engine.spec.schema import EventRole


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
    `features` is what serving logged with the impression: {"user": {...}, "history": [...], "items": {item_id: {...}}}.
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

    def to_bytes(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Event:
        try:
            raw = orjson.loads(data)
            raw["role"] = EventRole(raw["role"])
            raw["items"] = tuple(ShownItem(**shown) for shown in raw["items"])
            return cls(**raw)
        except (ValueError, TypeError, KeyError) as error:
            raise CorruptRecord(f"not an event of the log: {error}") from error


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """One user or item written or deleted; `properties` is the whole new set, never a patch."""

    kind: Literal["user", "item"]
    id: str
    properties: dict[str, Any] = field(default_factory=dict)
    deleted: bool = False
    updated_ms: int = 0

    def to_bytes(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> CatalogChange:
        try:
            return cls(**orjson.loads(data))
        except (ValueError, TypeError) as error:
            raise CorruptRecord(f"not a catalogue change: {error}") from error
