"""An erasure: an order to forget a user or an item, written among the events so that it has its place in their order.

Whoever reads `events` forgets what they know of the one that is named when they come to the order, and not before or after: what was
read before it is what is forgotten, what comes behind it is new. The joiner passes it on into `examples`, where every trainer comes to it
in the same order as to what it learned. So it is done again by whoever goes on from an older state, and never twice by anybody.

A user's order has the user's key, and so stands in the partition of all that the user did. An item's stands in every partition once.

Its type cannot be declared in a schema, nor sent to the API. Readers of before there were erasures see an event of role `other`, which says
nothing to them; trainers of then count its example as one that they cannot read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from engine.spec.event import Event
from engine.spec.example import Cause, Example, Origin
from engine.spec.schema import EventRole

ERASURE_TYPE: Final = "freshet.erasure"
MAX_KEPT: Final = 1_000
"""What a state remembers of the erasures that it has carried out, so that they can be confirmed after a restart too."""

Kind = Literal["user", "item"]


@dataclass(frozen=True, slots=True)
class Erasure:
    """`token` names the order, the same in every partition."""

    token: str
    kind: Kind
    id: str


@dataclass(frozen=True, slots=True)
class Erased:
    """What one process forgot when it came to an order at this place of `events`: `counts` by what was counted."""

    erasure: Erasure
    partition: int
    counts: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        erasure = self.erasure
        named = {"token": erasure.token, "kind": erasure.kind, "id": erasure.id}
        return {**named, "partition": self.partition, "counts": dict(self.counts)}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Erased:
        erasure = Erasure(str(said["token"]), said["kind"], str(said["id"]))
        return cls(erasure, int(said["partition"]), {str(name): int(num) for name, num in said["counts"].items()})


def erasure_event(erasure: Erasure, key: str, partition: int, now_ms: int) -> Event:
    """The order as an event that happens now. `key` is the user's id or, of an item's order, one that leads to the partition."""
    said = {"token": erasure.token, "kind": erasure.kind, "id": erasure.id}
    return Event(
        f"erasure-{erasure.token}-{partition}",
        ERASURE_TYPE,
        EventRole.OTHER,
        key,
        None,
        now_ms,
        now_ms,
        properties=said,
    )


def is_erasure(event: Event) -> bool:
    return event.type == ERASURE_TYPE


def erasure_of(event: Event) -> Erasure | None:
    """The order that an event is; None of any other event, and of one that does not say what it must."""
    return _read(event.properties) if event.type == ERASURE_TYPE else None


def erasure_example(event: Event, cause: Cause) -> Example:
    """What passes the order on: it has no labels and weighs nothing, and its key is the event's."""
    return Example(
        example_id=event.event_id,
        user_id=event.user_id,
        item_id=ERASURE_TYPE,
        event_time_ms=event.timestamp_ms,
        origin=Origin.ERASURE,
        labels={},
        cause=cause,
        weight=0.0,
        event=event.properties,
    )


def erasure_of_example(example: Example) -> Erasure | None:
    """As `erasure_of`."""
    return _read(example.event) if example.origin is Origin.ERASURE else None


def noted(before: Iterable[Erased], new: Iterable[Erased]) -> list[Erased]:
    """The last `MAX_KEPT` of both, an order and a partition once."""
    kept = {(one.erasure.token, one.partition): one for one in (*before, *new)}
    return list(kept.values())[-MAX_KEPT:]


def _read(said: Mapping[str, Any]) -> Erasure | None:
    token, kind, entity_id = said.get("token"), said.get("kind"), said.get("id")
    if not isinstance(token, str) or not isinstance(entity_id, str) or kind not in ("user", "item"):
        return None
    return Erasure(token, kind, entity_id)
