"""What a replica holds of one user or one item, for people who look: nothing of it is needed to answer requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import orjson

Kind = Literal["user", "item"]


@dataclass(frozen=True, slots=True)
class Deed:
    """An item that a user acted on, by which type of event, and when, in ms since 1970."""

    item_id: str
    event_type: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class UserKnown:
    """`history` is what the user acted on last, newest first, an entry for each item and type of event, at most some hundreds;
    `watched` is the same of the other events that a deployment counts as seen. `is_in_catalogue`: its properties are held."""

    is_in_catalogue: bool
    history: tuple[Deed, ...] = ()
    watched: tuple[Deed, ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        return cls(raw["is_in_catalogue"], _deeds(raw["history"]), _deeds(raw["watched"]))


@dataclass(frozen=True, slots=True)
class ItemKnown:
    """`num_shown` counts impressions since the replica's state of users began. `counters` are the schema's that count by nothing but
    the item, by `<counter>_<window>`. `has_vector` says by retrieval model (`name v1`) whether the item has a vector there."""

    is_in_catalogue: bool
    is_servable: bool
    num_shown: int = 0
    counters: Mapping[str, float] = field(default_factory=dict)
    has_vector: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        return cls(**raw)


Known = UserKnown | ItemKnown


def to_json(known: Known) -> bytes:
    return orjson.dumps(known)


def from_json(kind: Kind, data: bytes) -> Known:
    raw = orjson.loads(data)
    return UserKnown.of(raw) if kind == "user" else ItemKnown.of(raw)


def _deeds(raw: list[dict[str, Any]]) -> tuple[Deed, ...]:
    return tuple(Deed(**one) for one in raw)
