"""What an import's columns mean: guessed at first, changed by a person, and turned into the mapping that is loaded by."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from engine.errors import InvalidDocument, Problem
from engine.spec.document import Document, Name
from engine.spec.schema import PropertyType
from webapp.catalog.importing.mapping import EventMapping, TimeUnit
from webapp.catalog.models import Import

_name = TypeAdapter[str](Name)
Words = Annotated[str, StringConstraints(max_length=256)]


class Use(StrEnum):
    """What a column is for."""

    USER = "user_id"
    ITEM = "item_id"
    TYPE = "type"
    TIME = "timestamp"
    EVENT_ID = "event_id"
    RECOMMENDATION = "recommendation_id"
    PROPERTY = "property"
    HIDDEN = "hidden"
    LEAVE = "leave"


USES: Final[dict[str, tuple[Use, ...]]] = {
    Import.Kind.EVENTS.value: (
        Use.LEAVE, Use.PROPERTY, Use.USER, Use.ITEM, Use.TYPE, Use.TIME, Use.EVENT_ID, Use.RECOMMENDATION,
    ),
    Import.Kind.ITEMS.value: (Use.LEAVE, Use.PROPERTY, Use.ITEM, Use.HIDDEN),
    Import.Kind.USERS.value: (Use.LEAVE, Use.PROPERTY, Use.USER),
}  # fmt: skip
USE_TITLES: Final = {
    Use.USER: "user id",
    Use.ITEM: "item id",
    Use.TYPE: "event type",
    Use.TIME: "time of the event",
    Use.EVENT_ID: "event id",
    Use.RECOMMENDATION: "recommendation id",
    Use.PROPERTY: "property",
    Use.HIDDEN: "hidden",
    Use.LEAVE: "leave it out",
}


class ColumnChoice(Document):
    """`name` and `type` are of a property."""

    column: str = Field(min_length=1, max_length=256)
    use: Use = Use.LEAVE
    name: Words = ""
    type: PropertyType = PropertyType.STRING
    dim: int | None = Field(default=None, ge=1)


class Choices(Document):
    """`as_events`: JSON lines that are events as the API takes them, so that no column has to be chosen.

    `type_value` is the type of every row where no column says it; `type_values` renames the texts of that column.
    """

    kind: Import.Kind = Import.Kind.EVENTS
    as_events: bool = False
    columns: list[ColumnChoice] = Field(default_factory=list, max_length=200)
    type_value: Words = ""
    type_values: dict[str, Words] = Field(default_factory=dict)
    time_unit: TimeUnit = TimeUnit.ISO
    sort: bool = False

    def used(self, use: Use) -> list[ColumnChoice]:
        return [column for column in self.columns if column.use is use]

    @property
    def properties(self) -> dict[str, str]:
        """Property -> column."""
        return {one.name: one.column for one in self.used(Use.PROPERTY)}

    def event_mapping(self) -> EventMapping:
        """Raises `InvalidDocument` saying what is still to be chosen, in the words of the page."""
        problems = self._names()
        users, items, times = (self._one(use, problems) for use in (Use.USER, Use.ITEM, Use.TIME))
        types = self.used(Use.TYPE)
        if len(types) > 1:
            problems.append(Problem("event type", "must be one column", _columns(types)))
        if not types and not self.type_value:
            problems.append(Problem("event type", "must be a column, or one type for every row", "neither"))
        if not types and self.type_value and not _is_name(self.type_value):
            problems.append(Problem("event type", _NAME_RULE, self.type_value))
        problems += [
            Problem(f"event type {text}", _NAME_RULE, to)
            for text, to in self.type_values.items()
            if to and not _is_name(to)
        ]
        if problems:
            raise InvalidDocument("columns", problems)
        recommendations = self.used(Use.RECOMMENDATION)
        renamed = {text: to for text, to in self.type_values.items() if to and to != text}
        return EventMapping.parse(
            {
                "user_id": users,
                "item_id": items,
                "type": {"column": types[0].column, "values": renamed} if types else {"value": self.type_value},
                "timestamp": {"column": times, "unit": self.time_unit},
                "event_id": [one.column for one in self.used(Use.EVENT_ID)],
                "recommendation_id": recommendations[0].column if recommendations else None,
                "properties": self.properties,
                "sort": self.sort,
            },
            "mapping",
        )

    def entities_mapping(self) -> EntitiesMapping:
        """Raises `InvalidDocument`, as `event_mapping` does."""
        problems = self._names()
        ids = self._one(Use.ITEM if self.kind == Import.Kind.ITEMS else Use.USER, problems)
        hidden = self.used(Use.HIDDEN)
        if len(hidden) > 1:
            problems.append(Problem("hidden", "must be one column", _columns(hidden)))
        if problems:
            raise InvalidDocument("columns", problems)
        return EntitiesMapping(id=ids, properties=self.properties, hidden=hidden[0].column if hidden else None)

    def as_fingerprint(self) -> dict[str, Any]:
        """What of it decides which rows come: the mapping."""
        if self.kind == Import.Kind.EVENTS:
            mapping: Any = ["as_events", self.sort] if self.as_events else self.event_mapping().as_json()
        else:
            mapping = self.entities_mapping().as_json()
        return {"kind": self.kind.value, "mapping": mapping}

    def _one(self, use: Use, problems: list[Problem]) -> str:
        found = self.used(use)
        if len(found) != 1:
            rule = "must be chosen: which column is it?" if not found else "must be one column"
            problems.append(Problem(USE_TITLES[use], rule, _columns(found) or "none"))
        return found[0].column if found else ""

    def _names(self) -> list[Problem]:
        names = [one.name for one in self.used(Use.PROPERTY)]
        problems = [
            Problem(one.column, _NAME_RULE, one.name) for one in self.used(Use.PROPERTY) if not _is_name(one.name)
        ]
        twice = sorted({name for name in names if names.count(name) > 1})
        return problems + [Problem("property", "must be the name of one column only", name) for name in twice]


class EntitiesMapping(Document):
    """How a file's columns become items or users."""

    id: str = Field(min_length=1)
    properties: dict[Name, str] = Field(default_factory=dict)
    hidden: str | None = None

    @property
    def columns(self) -> list[str]:
        """Every column that is read, once each."""
        return list(dict.fromkeys([self.id, *self.properties.values(), *([self.hidden] if self.hidden else [])]))


_NAME_RULE: Final = "must be lower case letters, digits and underscores, starting with a letter, at most 63"


def _is_name(text: str) -> bool:
    try:
        _name.validate_python(text)
    except ValidationError:
        return False
    return True


def _columns(found: list[ColumnChoice]) -> str:
    return ", ".join(one.column for one in found)
