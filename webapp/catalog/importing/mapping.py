"""The mapping: a JSON document that says which columns of a file make an event.

{
  "user_id": "user_id",
  "item_id": "click_article_id",
  "type": {"value": "click"},
  "timestamp": {"column": "click_timestamp", "unit": "ms"},
  "event_id": ["session_id", "click_article_id", "click_timestamp"],
  "properties": {"device": "click_deviceGroup"},
  "sort": true
}
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from engine.spec.document import Document, Name

Column = Annotated[str, StringConstraints(min_length=1, max_length=256)]
"""A column's name in the file (a key of each line, in JSONL)."""


class FileFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class TimeUnit(StrEnum):
    """`ms`, `s` and `us` count from the epoch, UTC; `iso` is RFC 3339 text, or a Parquet timestamp; `text_utc` is such text without
    an offset, or a date, taken as UTC."""

    MS = "ms"
    S = "s"
    US = "us"
    ISO = "iso"
    TEXT_UTC = "text_utc"


class TypeRule(Document):
    """The event type: one `value` for every row, or a `column`, whose texts `values` may rename."""

    value: Name | None = None
    column: Column | None = None
    values: dict[str, Name] = Field(default_factory=dict, description="text in the file -> event type")

    @model_validator(mode="after")
    def _one_of_two(self) -> TypeRule:
        if (self.value is None) == (self.column is None):
            raise ValueError("give either a value or a column")
        if self.values and self.column is None:
            raise ValueError("values need a column")
        return self


class TimeRule(Document):
    column: Column
    unit: TimeUnit = TimeUnit.ISO


class ItemsRule(Document):
    """A second file with the items' own properties, loaded before the events."""

    file: str = Field(min_length=1, description="path, relative to the mapping's folder")
    format: FileFormat | None = None
    item_id: Column
    properties: dict[Name, Column] = Field(default_factory=dict)
    hidden: Column | None = Field(
        default=None, description="whether the item is kept and not recommended; an empty cell leaves it as it is"
    )


class EventMapping(Document):
    """How a file's columns become events. Everything that is not mentioned is left in the file."""

    format: FileFormat | None = Field(default=None, description="by the file's name when absent")
    user_id: Column
    item_id: Column
    type: TypeRule
    timestamp: TimeRule
    event_id: list[Column] = Field(
        default_factory=list,
        max_length=16,
        description="columns that together name an event, joined by ':'; all the event's fields when absent",
    )
    recommendation_id: Column | None = None
    properties: dict[Name, Column] = Field(default_factory=dict, description="event property -> column")
    sort: bool = Field(default=False, description="sort the file by time in memory before loading it")
    items: ItemsRule | None = None

    @property
    def columns(self) -> list[str]:
        """Every column that is read, once each."""
        wanted = [self.user_id, self.item_id, self.timestamp.column, *self.event_id, *self.properties.values()]
        wanted += [column for column in (self.type.column, self.recommendation_id) if column is not None]
        return list(dict.fromkeys(wanted))
