"""The schema: the typed declaration of user, item and event properties of a project."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, ValidationInfo, field_validator, model_validator

from engine.spec.candidates import Candidates
from engine.spec.counter import Counter, CounterValue, check_counters, values_of
from engine.spec.document import Document, Name
from engine.spec.joining import MAX_JOIN_WINDOW_S, Joining


class PropertyType(StrEnum):
    STRING = "string"
    STRING_LIST = "string_list"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    VECTOR = "vector"


MAX_VECTOR_DIM = 4096
RESERVED_NAMES = ("id", "history", "history_types", "history_ages_s")


class Property(Document):
    """One declared property. A missing optional property is null; a `timestamp` is RFC 3339 text or integer milliseconds.

    A `vector` is a list of `dim` finite numbers, as a content embedding made elsewhere.
    """

    type: PropertyType
    required: bool = False
    max_length: int = Field(
        default=256, ge=1, le=4096, description="characters of a string, of each string of a string_list"
    )
    max_values: int = Field(default=64, ge=1, le=1024, description="values of a string_list")
    dim: int | None = Field(default=None, ge=1, le=MAX_VECTOR_DIM, description="numbers of a vector, which must say it")

    @model_validator(mode="after")
    def _dim_of_a_vector(self) -> Property:
        if (self.type is PropertyType.VECTOR) != (self.dim is not None):
            raise ValueError("dim is for a vector, and a vector must have it")
        return self


_COUNTABLE = frozenset((PropertyType.STRING, PropertyType.INTEGER, PropertyType.BOOLEAN))


class EventRole(StrEnum):
    """What the joiner does with an event type: `impression` waits for actions, `action` is a label, `other` is kept and not joined."""

    IMPRESSION = "impression"
    ACTION = "action"
    OTHER = "other"


class EventType(Document):
    role: EventRole = EventRole.ACTION
    properties: dict[Name, Property] = Field(default_factory=dict)
    join_window_s: float | None = Field(
        default=None,
        gt=0,
        le=MAX_JOIN_WINDOW_S,
        description="how long an impression waits for an action of this type; the schema's own join_window_s by default",
    )

    @model_validator(mode="after")
    def _window_of_an_action(self) -> EventType:
        if self.join_window_s is not None and self.role is not EventRole.ACTION:
            raise ValueError("join_window_s is for actions: only they are waited for")
        return self


class Schema(Document):
    """Typed declaration of a project's data; versioned by the registry."""

    users: dict[Name, Property] = Field(default_factory=dict)
    items: dict[Name, Property] = Field(default_factory=dict)
    events: dict[Name, EventType] = Field(min_length=1)
    create_items_from_events: bool = Field(
        default=True, description="an event on an unknown item creates it, with no properties"
    )
    join_window_s: float = Field(
        default=300.0,
        gt=0,
        le=MAX_JOIN_WINDOW_S,
        description="how long an impression waits for an action, in event time",
    )
    joining: Joining = Field(default_factory=Joining)
    history_length: int = Field(default=20, ge=1, le=200, description="how many items a user's recent history keeps")

    counters: dict[Name, Counter] = Field(
        default_factory=dict,
        max_length=50,
        description="windowed counts of events, for definitions as counter.<counter>_<window>",
    )

    num_drawn_negatives: int = Field(
        default=4,
        ge=0,
        le=100,
        description="where there are counters: items drawn by popularity for each action without an impression, whose counters are "
        "noted for training; as many as the largest num_negatives of the models that read counters",
    )

    candidates: Candidates = Field(
        default_factory=Candidates, description="how the sources that need no model find candidates"
    )

    @field_validator("counters", mode="after")
    @classmethod
    def _counters_of_what_is_declared(cls, counters: dict[str, Counter], info: ValidationInfo) -> dict[str, Counter]:
        declared = info.data
        if not counters or not {"users", "items", "events"} <= declared.keys():
            return counters
        countable = {"user.id": True, "item.id": True}
        for entity, properties in (("user", declared["users"]), ("item", declared["items"])):
            countable |= {f"{entity}.{name}": one.type in _COUNTABLE for name, one in properties.items()}
        event_properties = {
            event_type: {name: one.type in _COUNTABLE for name, one in of_type.properties.items()}
            for event_type, of_type in declared["events"].items()
        }
        check_counters(counters, countable, event_properties)
        return counters

    @model_validator(mode="after")
    def _unfinished_of_declared_types(self) -> Schema:
        unfinished = self.candidates.unfinished
        for name in () if unfinished is None else unfinished.event_types:
            if name not in self.events:
                raise ValueError(f"candidates.unfinished must name declared event types, received {name}")
        return self

    @model_validator(mode="after")
    def _reserved_names(self) -> Schema:
        for entity, properties in (("users", self.users), ("items", self.items)):
            for name in RESERVED_NAMES:
                if name in properties:
                    raise ValueError(f"{entity}.{name} is a reserved name")
        for event_type, declared in self.events.items():
            if "time" in declared.properties:
                raise ValueError(f"events.{event_type}.time is a reserved name: event.time is when the event happened")
        return self

    def role_of(self, event_type: str) -> EventRole | None:
        declared = self.events.get(event_type)
        return declared.role if declared else None

    @property
    def counter_values(self) -> list[CounterValue]:
        """What the counters give, by name; a definition reads each as `counter.<name>`."""
        return values_of(self.counters)
