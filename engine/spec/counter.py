"""A counter: how often events of some types happened for a key of late, by event time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from engine.spec.document import Document, Name

KeySource = Annotated[str, StringConstraints(pattern=r"^(user|item|event)\.[a-z][a-z0-9_]{0,62}$")]
"""What a counter counts by: `user.id`, `item.id`, `user.<property>`, `item.<property>`, `event.<property>`."""

NUM_BUCKETS = 20
"""A window is kept as so many buckets of equal width: 50 ms for each second of the window."""

MAX_WINDOW_S = 30 * 86_400
MAX_HALF_LIFE_S = 365 * 86_400
DEFAULT_WINDOWS_S = (600, 3_600, 86_400)

WindowS = Annotated[int, Field(ge=1, le=MAX_WINDOW_S)]
HalfLifeS = Annotated[int, Field(ge=1, le=MAX_HALF_LIFE_S)]


class Decay(StrEnum):
    """How an event is forgotten: all at once when the window has passed it, or by half with each half-life."""

    WINDOW = "window"
    HALF_LIFE = "half_life"


@dataclass(frozen=True, slots=True)
class CounterValue:
    """One number that a counter gives, by its name in examples and, after `counter.`, in definitions."""

    name: str
    counter: str
    decay: Decay
    span_s: int


class Counter(Document):
    """Counts events of some types by one key or a pair of keys.

    A list of shown items counts once for each of them. An event without a value of a key (null, or the empty string) is not counted,
    and counts read for such a key are 0.
    """

    keys: list[KeySource] = Field(
        min_length=1, max_length=2, description="what is counted by, as [item.id] or [user.id, item.category]"
    )
    event_types: list[Name] = Field(min_length=1, max_length=50, description="which events are counted")
    windows_s: list[WindowS] = Field(
        default_factory=lambda: list(DEFAULT_WINDOWS_S), max_length=8, description="sliding windows of event time"
    )
    half_lives_s: list[HalfLifeS] = Field(
        default_factory=list, max_length=8, description="of exponentially decayed counts, in event time"
    )

    @model_validator(mode="after")
    def _coherent(self) -> Counter:
        for field, values in (
            ("keys", self.keys),
            ("event_types", self.event_types),
            ("windows_s", self.windows_s),
            ("half_lives_s", self.half_lives_s),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"{field} names something twice: {', '.join(map(str, values))}")
        if not self.windows_s and not self.half_lives_s:
            raise ValueError("needs at least one of windows_s and half_lives_s")
        return self

    @property
    def is_of_user(self) -> bool:
        """Whether it counts by the user and what comes with the event alone, so that it is the same for every item."""
        return not any(key.startswith("item.") for key in self.keys)

    def values(self, name: str) -> list[CounterValue]:
        """What a counter of this name gives: `clicks_10m` of a window, `clicks_decayed_10m` of a half-life."""
        windows = [
            CounterValue(f"{name}_{span_label(span_s)}", name, Decay.WINDOW, span_s) for span_s in self.windows_s
        ]
        decayed = [
            CounterValue(f"{name}_decayed_{span_label(span_s)}", name, Decay.HALF_LIFE, span_s)
            for span_s in self.half_lives_s
        ]
        return windows + decayed


def span_label(span_s: int) -> str:
    """Whole hours as `24h`, else whole minutes as `10m`, else seconds as `90s`."""
    for unit_s, unit in ((3_600, "h"), (60, "m")):
        if span_s % unit_s == 0:
            return f"{span_s // unit_s}{unit}"
    return f"{span_s}s"


def values_of(counters: Mapping[str, Counter]) -> list[CounterValue]:
    """What all counters give, in their order."""
    return [value for name, counter in counters.items() for value in counter.values(name)]


def user_values_of(counters: Mapping[str, Counter]) -> list[CounterValue]:
    """What those counters give that count by nothing of the item, in their order."""
    return values_of({name: counter for name, counter in counters.items() if counter.is_of_user})


def check_counters(
    counters: Mapping[str, Counter],
    countable: Mapping[str, bool],
    event_properties: Mapping[str, Mapping[str, bool]],
) -> None:
    """Raises ValueError for what a schema does not declare, or declares as something that cannot be counted by.

    `countable`: every user and item source -> whether it may be a key. `event_properties`: event type -> property -> the same.
    """
    for name, counter in counters.items():
        for index, event_type in enumerate(counter.event_types):
            if event_type not in event_properties:
                raise ValueError(
                    f"{name}.event_types.{index}: {event_type!r} is not a declared event type; declared: {_listed(event_properties)}"
                )
        for index, key in enumerate(counter.keys):
            rule = _broken_rule(key, counter, countable, event_properties)
            if rule is not None:
                raise ValueError(f"{name}.keys.{index}: {key} {rule}")
    _check_names(counters)


def _broken_rule(
    key: str,
    counter: Counter,
    countable: Mapping[str, bool],
    event_properties: Mapping[str, Mapping[str, bool]],
) -> str | None:
    entity, _, name = key.partition(".")
    if entity == "event":
        for event_type in counter.event_types:
            if name not in event_properties[event_type]:
                return f"is not declared by the event type {event_type}, which the counter counts"
        is_countable = all(event_properties[event_type][name] for event_type in counter.event_types)
    elif key not in countable:
        return "is not declared in the schema"
    else:
        is_countable = countable[key]
    return None if is_countable else "cannot be counted by; it must be a string, an integer or a boolean"


def _check_names(counters: Mapping[str, Counter]) -> None:
    owners: dict[str, str] = {}
    for value in values_of(counters):
        other = owners.setdefault(value.name, value.counter)
        if other != value.counter:
            raise ValueError(f"{other} and {value.counter} both give a value named {value.name}; rename one")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
