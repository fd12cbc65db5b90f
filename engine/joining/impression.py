"""An impression that waits for actions, and its form as bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from engine.features.histories import History
from engine.joining.stages import NOT_ENDED
from engine.spec.example import Cause

# What the objects and the index entries of one impression, and of one item of it, take beside their properties; measured.
_BYTES_OF_ONE: Final = 1_100
_BYTES_OF_AN_ITEM: Final = 900
# Properties as Python objects, for each byte of their JSON text.
_BYTES_OF_A_CHARACTER: Final = 5


@dataclass(slots=True, eq=False)
class Impression:
    """What all items of one impression share, with the features as they were when it was shown. Times in ms.

    `number` orders by arrival. `waits`: its examples are made when its window ends. `ended_ms` is the last of its windows that ended, in ms
    after it was shown. `num_bytes` estimates the memory it takes.
    """

    event_id: str
    user_id: str
    recommendation_id: str | None
    time_ms: int
    cause: Cause
    user: dict[str, Any]
    history: History
    properties: dict[str, Any]
    request_time_ms: int | None = None
    number: int = -1
    waits: bool = False
    ended_ms: int = NOT_ENDED
    num_bytes: int = 0
    shown: dict[str, Shown] = field(default_factory=dict)

    def show(self, item_id: str, item: dict[str, Any]) -> Shown:
        shown = self.shown[item_id] = Shown(self, item_id, item)
        return shown

    def let_go(self) -> None:
        """Items and impression name each other; apart they are freed at once, and not when garbage is collected."""
        self.shown.clear()

    def estimate_bytes(self, num_json_bytes: int) -> None:
        """`num_json_bytes`: of the properties that nobody else holds."""
        self.num_bytes = _BYTES_OF_ONE + _BYTES_OF_AN_ITEM * len(self.shown) + _BYTES_OF_A_CHARACTER * num_json_bytes


@dataclass(slots=True, eq=False)
class Shown:
    """One shown item. `acted` has the labels of each action type that came so far.

    `counters` are the values that served the item or, where nobody logged them, those at the time it was shown. `negatives` names, by
    action type, the example that said that the action did not come; it is kept only where late actions correct it.
    """

    impression: Impression
    item_id: str
    item: dict[str, Any]
    acted: dict[str, dict[str, float]] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)
    negatives: dict[str, str] = field(default_factory=dict)


def encode_impression(one: Impression) -> bytes:
    """JSON; its counters must be settled."""
    cause, history = one.cause, one.history
    return orjson.dumps(
        (
            one.event_id,
            one.user_id,
            one.recommendation_id,
            one.time_ms,
            (cause.partition, cause.offset, cause.received_ms),
            one.user,
            (history.item_ids, history.event_types, history.times_ms),
            one.properties,
            one.request_time_ms,
            one.number,
            one.waits,
            one.ended_ms,
            [(each.item_id, each.item, each.acted, each.counters, each.negatives) for each in one.shown.values()],
        )
    )


def decode_impression(data: bytes) -> Impression:
    """The inverse. Raises ValueError or TypeError for anything else."""
    event_id, user_id, recommendation_id, time_ms, cause, user, history, *rest, items = orjson.loads(data)
    properties, request_time_ms, number, waits, ended_ms = rest
    impression = Impression(
        event_id,
        user_id,
        recommendation_id,
        time_ms,
        Cause(*cause),
        user,
        History(*map(tuple, history)),
        properties,
        request_time_ms,
        number,
        waits,
        ended_ms,
    )
    for item_id, item, acted, counters, negatives in items:
        impression.shown[item_id] = Shown(impression, item_id, item, acted, counters, negatives)
    impression.estimate_bytes(len(data))
    return impression
