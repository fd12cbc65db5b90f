"""Rows of a file as events in the API's form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any

import pyarrow as pa

from engine.spec.schema import PropertyType, Schema
from webapp.catalog.importing.mapping import EventMapping, FileFormat, TimeUnit
from webapp.catalog.importing.reading import Batch, cell_reader
from webapp.catalog.importing.times import to_ms

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Row:
    """One event to be: its row number in the file, its time if it has a readable one, and the API's JSON object."""

    number: int
    timestamp_ms: int | None
    event: dict[str, Any]


class RowMaker:
    """Applies a mapping. Ids become texts; properties become what the schema declares, where their text allows it.

    What cannot be converted is passed on as it is, so that validation names the rule and what was received.
    """

    def __init__(self, mapping: EventMapping, file_format: FileFormat, schema: Schema) -> None:
        self._mapping = mapping
        self._read = cell_reader(file_format)
        declared: dict[str, PropertyType] = {}
        for event_type in schema.events.values():
            declared.update({name: prop.type for name, prop in event_type.properties.items()})
        self._properties = [
            (name, column, converter(declared.get(name))) for name, column in mapping.properties.items()
        ]

    def times(self, batch: Batch) -> list[int | None]:
        """Each row's time in milliseconds, without making the rest of it."""
        column, unit = batch.columns.column(self._mapping.timestamp.column), self._mapping.timestamp.unit
        if unit is TimeUnit.MS and column.null_count == 0:
            try:
                numbers = column.cast(pa.int64())
            except pa.ArrowInvalid:  # some cell is no number: one by one, below
                pass
            else:
                return [to_ms(number, unit) for number in numbers.to_pylist()]
        return [to_ms(self._read(cell), unit) for cell in column.to_pylist()]

    def rows(self, batch: Batch) -> Iterator[Row]:
        cells = {
            name: list(map(self._read, column.to_pylist()))
            for name, column in zip(batch.columns.schema.names, batch.columns.columns, strict=True)
        }
        yield from self.rows_of_cells(batch.numbers, cells)

    def rows_of_cells(self, numbers: Sequence[int], cells: dict[str, list[Any]]) -> Iterator[Row]:
        mapping = self._mapping
        types = self._types(cells, len(numbers))
        times = cells[mapping.timestamp.column]
        key_columns = [cells[name] for name in mapping.event_id]
        recommendations = cells[mapping.recommendation_id] if mapping.recommendation_id else None
        properties = [(name, cells[column], convert) for name, column, convert in self._properties]
        columns = zip(numbers, cells[mapping.user_id], cells[mapping.item_id], types, times, strict=False)
        for index, (number, user_id, item_id, event_type, time) in enumerate(columns):
            timestamp_ms = to_ms(time, mapping.timestamp.unit)
            event: dict[str, Any] = {
                "type": event_type,
                "user_id": as_text(user_id),
                "item_id": as_text(item_id),
                "timestamp": time if timestamp_ms is None else timestamp_ms,
            }
            if key_columns:
                event["event_id"] = ":".join(str(column[index]) for column in key_columns)
            if recommendations is not None and recommendations[index] is not None:
                event["recommendation_id"] = as_text(recommendations[index])
            if properties:
                found = {name: convert(column[index]) for name, column, convert in properties}
                event["properties"] = {name: value for name, value in found.items() if value is not None}
            yield Row(number, timestamp_ms, event)

    def _types(self, cells: dict[str, list[Any]], num_rows: int) -> Iterator[Any]:
        rule = self._mapping.type
        if rule.column is None:
            return repeat(rule.value, num_rows)
        return (rule.values.get(cell, cell) if isinstance(cell, str) else cell for cell in cells[rule.column])


def as_text(value: Any) -> Any:
    """Whole numbers are ids too; anything else stays what it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def converter(declared: PropertyType | None) -> Callable[[Any], Any]:
    """From a file's cell to the declared type. A `string_list` or `vector` in a text cell is separated by '|'."""
    return _CONVERTERS.get(declared, _as_it_is) if declared else _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _boolean(value: Any) -> Any:
    return _BOOLEANS.get(value.lower(), value) if isinstance(value, str) else value


def _string_list(value: Any) -> Any:
    return [part for part in value.split("|") if part] if isinstance(value, str) else value


def _vector(value: Any) -> Any:
    return [_number(part, float) for part in value.split("|")] if isinstance(value, str) else value


def _timestamp(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_ms(value, TimeUnit.ISO)
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _number(value: Any, kind: Callable[[str], Any]) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return kind(value)
    except ValueError:
        return value


_CONVERTERS: dict[PropertyType, Callable[[Any], Any]] = {
    PropertyType.STRING: as_text,
    PropertyType.INTEGER: lambda value: _number(value, int),
    PropertyType.FLOAT: lambda value: _number(value, float),
    PropertyType.BOOLEAN: _boolean,
    PropertyType.STRING_LIST: _string_list,
    PropertyType.TIMESTAMP: _timestamp,
    PropertyType.VECTOR: _vector,
}
