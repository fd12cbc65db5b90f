"""What is sent: events, items, users."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def _new_id() -> str:
    return uuid.uuid4().hex


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """Something a user did or saw. `type` is one of the project's schema.

    `recommendation_id` is that of the answer which led to it. `event_id` makes sending it twice harmless; `timestamp_ms` is when it
    happened, in milliseconds since 1970, UTC. Both are made here when they are not given.
    """

    type: str
    user_id: str
    item_id: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    recommendation_id: str | None = None
    items: tuple[str, ...] = ()
    event_id: str = field(default_factory=_new_id)
    timestamp_ms: int = field(default_factory=_now_ms)

    def as_json(self) -> dict[str, Any]:
        """The row of `POST /events`."""
        row: dict[str, Any] = {"event_id": self.event_id, "type": self.type, "user_id": self.user_id}
        row["timestamp"] = self.timestamp_ms
        if self.items:
            row["items"] = list(self.items)
        if self.item_id is not None:
            row["item_id"] = self.item_id
        if self.recommendation_id is not None:
            row["recommendation_id"] = self.recommendation_id
        if self.properties:
            row["properties"] = dict(self.properties)
        return row


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """What somebody without a history just did, for one request alone."""

    type: str
    item_id: str
    timestamp_ms: int | None = None

    def as_json(self) -> dict[str, Any]:
        """An entry of a request's `session`."""
        row: dict[str, Any] = {"type": self.type, "item_id": self.item_id}
        return row if self.timestamp_ms is None else row | {"timestamp": self.timestamp_ms}


@dataclass(frozen=True, slots=True)
class Item:
    """An item with the properties that the schema declares. A hidden item is kept and learned from, and never answered."""

    item_id: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    hidden: bool = False

    def as_json(self) -> dict[str, Any]:
        """A row of `PUT /items`."""
        row: dict[str, Any] = {"id": self.item_id, "properties": dict(self.properties)}
        return row | {"hidden": True} if self.hidden else row


@dataclass(frozen=True, slots=True)
class User:
    """A user with the properties that the schema declares."""

    user_id: str
    properties: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """A row of `PUT /users`."""
        return {"id": self.user_id, "properties": dict(self.properties)}
