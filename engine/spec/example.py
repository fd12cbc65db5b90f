"""A joined example as it travels in the `examples` topic: raw feature values, labels, and the event that caused it.

The trainer turns it into FIDs with the definition's encoder, so that one joiner serves every model of a project.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from engine.errors import CorruptRecord
from engine.spec.values import (
    BrokenRule,
    check_float,
    check_id,
    check_integer,
    check_milliseconds,
    check_object,
    check_text,
)

_NOT_DRAWN: Final = b',"drawn":null'
_NO_CORRECTION: Final = b',"corrects":null'


class Origin(StrEnum):
    """`impression`: shown, and acted on or not; learned as it is. `action`: nobody logged what was shown; negatives are sampled.
    `canary`: nobody did anything (`engine.spec.canary`); passed over by whoever learns. `erasure`: an order to forget
    (`engine.spec.erasure`).
    """

    IMPRESSION = "impression"
    ACTION = "action"
    CANARY = "canary"
    ERASURE = "erasure"


@dataclass(frozen=True, slots=True)
class Cause:
    """The event whose arrival made this example: its place in the `events` topic and when the API received it."""

    partition: int
    offset: int
    received_ms: int


@dataclass(frozen=True, slots=True)
class DrawnItem:
    """A negative that the joiner drew. `count`: how many of the actions that it drew from were on this item. `counters`: the item's
    values beside the example's user, before the event, in the order of the names in `Example.counters`.
    """

    item_id: str
    count: int
    counters: list[float]


@dataclass(frozen=True, slots=True)
class Draws:
    """Negatives drawn for an action that nobody logged a list for, while their counters could still be read.

    `num_draws` items were drawn uniformly from the last `num_recent` actions before this one, so that each draw was an item with the
    probability `count / num_recent`; `own_count` of those actions were on the example's own item. `items` are the draws that hit
    another item than the example's, repeats included.
    """

    num_draws: int
    num_recent: int
    own_count: int
    items: tuple[DrawnItem, ...]

    @property
    def own_probability(self) -> float:
        """Of a draw to be the example's own item, this action counted in: an item drawn has been counted at least once as well."""
        return (self.own_count + 1) / (self.num_recent + 1)


@dataclass(frozen=True, slots=True)
class Example:
    """One training row before encoding.

    `labels` maps an event type to 1.0 or 0.0; a task whose event type is absent does not learn from the row.
    `sampling_rate` is the share of negatives that was kept where the example comes from; positives carry it too (`engine.training.losses`).
    `history` holds the user's recent item ids, oldest first, as they were before this event. `counters` are the values of the schema's
    counters by `<counter>_<window>`, as serving computed them for an impression, or as they were before the event. `history_types` and
    `history_times_ms` say of each item of `history` by what type of event and when it was acted on; either may be empty, in examples
    of before they were kept. `request_time_ms` is when an impression was asked for: as of then its features are. `drawn` has negatives
    with their counters; None where the joiner drew none. `corrects` is the id of an example that was learned as a negative of what then
    came after all, later than its window: this is the positive that takes its place. `epoch` is that of the joiner's lease, in a log
    that keeps none itself (`engine.streams.fencing`); 0 is older than all.
    """

    example_id: str
    user_id: str
    item_id: str
    event_time_ms: int
    origin: Origin
    labels: dict[str, float]
    cause: Cause
    weight: float = 1.0
    sampling_rate: float = 1.0
    user: dict[str, Any] = field(default_factory=dict)
    item: dict[str, Any] = field(default_factory=dict)
    event: dict[str, Any] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    recommendation_id: str | None = None
    counters: dict[str, float] = field(default_factory=dict)
    history_types: tuple[str, ...] = ()
    history_times_ms: tuple[int, ...] = ()
    request_time_ms: int | None = None
    corrects: str | None = None
    drawn: Draws | None = None
    epoch: int = 0

    def to_bytes(self, epoch: int = 0) -> bytes:
        """As it travels, written in `epoch` where that is not 0."""
        data = orjson.dumps(self).removesuffix(b',"epoch":%d}' % self.epoch)
        # What an example has not is left out, as before there was such a thing, so that trainers of then read it.
        if self.drawn is None:
            data = data.removesuffix(_NOT_DRAWN).removesuffix(_NO_CORRECTION)
        written = epoch or self.epoch
        return data + (b',"epoch":%d}' % written if written else b"}")

    @classmethod
    def from_bytes(cls, data: bytes) -> Example:
        try:
            raw = orjson.loads(data)
            raw["origin"] = Origin(raw["origin"])
            raw["cause"] = Cause(**raw["cause"])
            for name in ("history", "history_types", "history_times_ms"):
                raw[name] = tuple(raw.get(name, ()))
            if raw.get("drawn") is not None:
                raw["drawn"] = _draws(raw["drawn"])
            example = cls(**raw)
            example._check()
        except (ValueError, TypeError, KeyError, BrokenRule) as error:
            raise CorruptRecord(f"not an example: {error}") from error
        return example

    def _check(self) -> None:
        """What training computes with is of the right type, so that no record can stop it. Raises BrokenRule."""
        if type(self.example_id) is not str:
            raise BrokenRule("example_id must be a string")
        if self.corrects is not None:
            check_text(self.corrects)
        for one in (self.user_id, self.item_id, *self.history):
            check_id(one)
        for milliseconds in (self.event_time_ms, self.cause.received_ms, *self.history_times_ms):
            check_milliseconds(milliseconds)
        if self.request_time_ms is not None:
            check_milliseconds(self.request_time_ms)
        for event_type in self.history_types:
            check_text(event_type)
        for number in (self.cause.partition, self.cause.offset, self.epoch):
            check_integer(number)
        numbers = (*check_object(self.labels).values(), *check_object(self.counters).values())
        for value in (self.weight, self.sampling_rate, *numbers):
            check_float(value)
        if self.weight < 0 or not 0 < self.sampling_rate <= 1:
            raise BrokenRule("weight must be at least 0, sampling_rate above 0 and at most 1")
        for properties in (self.user, self.item, self.event):
            check_object(properties)
        if self.drawn is not None:
            _check_draws(self.drawn, len(self.counters))


def _draws(raw: Any) -> Draws:
    items = tuple(DrawnItem(**each) for each in raw["items"])
    return Draws(**(raw | {"items": items}))


def _check_draws(drawn: Draws, num_counters: int) -> None:
    counts = [drawn.num_draws, drawn.num_recent, drawn.own_count, *(each.count for each in drawn.items)]
    for count in counts:
        check_integer(count)
    if min(counts) < 0 or max(counts[2:]) > drawn.num_recent or len(drawn.items) > drawn.num_draws:
        raise BrokenRule("drawn must have counts of 0 to num_recent, and at most num_draws items")
    for each in drawn.items:
        check_id(each.item_id)
        if each.count < 1 or type(each.counters) is not list or len(each.counters) != num_counters:
            raise BrokenRule(
                "drawn.items must have a count of at least 1, and a value for each of the example's counters"
            )
        for value in each.counters:
            check_float(value)
