"""Rows from outside straight into the log's bytes, a block at a time: each rule is one pass over a column.

Only what is plainly good is settled here. A block with anything doubtful in it is halved until the doubt is in a few rows,
and those are judged by `EventValidator`, so that there is one place that says what is wrong with a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.spec.event import ShownItem
from engine.spec.property_columns import Doubtful, PropertyColumns
from engine.spec.schema import EventRole, Schema
from engine.spec.validation import (
    EARLIEST_EVENT_MS,
    EVENT_FIELDS,
    MAX_FUTURE_MS,
    EventValidator,
    RejectedRow,
    derived_event_id,
    shown_items,
)
from engine.spec.values import MAX_ID_LENGTH, BrokenRule, check_timestamp

BLOCK_ROWS = 256
FEW_ROWS = 8

_NO_PROPERTIES: dict[str, Any] = {}


@dataclass(slots=True)
class EncodedEvents:
    """The good rows, column by column and in order: row `indexes[n]` is in the log as `values[n]`, which is `Event.to_bytes()`.

    `item_ids[n]` is the one item that it names; one that lists its items has them in `listed[n]`.
    """

    indexes: list[int] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    user_ids: list[str] = field(default_factory=list)
    timestamps_ms: list[int] = field(default_factory=list)
    item_ids: list[str | None] = field(default_factory=list)
    listed: dict[int, tuple[str, ...]] = field(default_factory=dict)
    values: list[bytes] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)


class BlockValidator:
    """Checks rows in the API's form against a project's schema, as `EventValidator` does. Safe to share between threads."""

    def __init__(self, schema: Schema) -> None:
        self._one_by_one = EventValidator(schema)
        self._roles = {name: declared.role for name, declared in schema.events.items()}
        self._columns = {name: PropertyColumns(declared.properties) for name, declared in schema.events.items()}

    def encode(self, rows: Sequence[object], *, received_ms: int) -> EncodedEvents:
        """Judge each row; `received_ms` as in `EventValidator.validate`."""
        encoded = EncodedEvents()
        for first in range(0, len(rows), BLOCK_ROWS):
            self._encode(first, rows[first : first + BLOCK_ROWS], received_ms, encoded)
        return encoded

    def _encode(self, first: int, rows: Sequence[Any], received_ms: int, encoded: EncodedEvents) -> None:
        try:
            block = _Block(rows, received_ms, self._roles, self._columns)
        except (Doubtful, BrokenRule):
            if len(rows) <= FEW_ROWS:
                self._judge(first, rows, received_ms, encoded)
                return
            half = len(rows) // 2
            self._encode(first, rows[:half], received_ms, encoded)
            self._encode(first + half, rows[half:], received_ms, encoded)
        else:
            block.add_to(encoded, first)

    def _judge(self, first: int, rows: Sequence[Any], received_ms: int, encoded: EncodedEvents) -> None:
        judged = self._one_by_one.validate(rows, received_ms=received_ms)
        for index, event in zip(judged.indexes, judged.events, strict=True):
            if event.items:
                encoded.listed[len(encoded.indexes)] = event.item_ids
            encoded.indexes.append(first + index)
            encoded.event_ids.append(event.event_id)
            encoded.user_ids.append(event.user_id)
            encoded.timestamps_ms.append(event.timestamp_ms)
            encoded.item_ids.append(event.item_id)
            encoded.values.append(event.to_bytes())
        encoded.rejected += [RejectedRow(first + row.index, row.problems, row.row) for row in judged.rejected]


class _Block:
    """Rows that are all good, by column. Making it raises `Doubtful` or `BrokenRule` unless they plainly are."""

    def __init__(
        self,
        rows: Sequence[Any],
        received_ms: int,
        roles: dict[str, EventRole],
        columns: dict[str, PropertyColumns],
    ) -> None:
        if set(map(type, rows)) != {dict} or not all(map(EVENT_FIELDS.issuperset, set(map(tuple, rows)))):
            raise Doubtful
        self._received_ms = received_ms
        self._types = _declared([row.get("type") for row in rows], roles)
        self._user_ids = _ids([row.get("user_id") for row in rows])
        self._event_ids = _optional_ids([row.get("event_id") for row in rows])
        self._recommendation_ids = _optional_ids([row.get("recommendation_id") for row in rows])
        self._times = _times([row.get("timestamp") for row in rows], received_ms)
        self._item_ids = _optional_ids([row.get("item_id") for row in rows])
        self._roles = [roles[one] for one in self._types]
        self._shown = self._listed([row.get("items") for row in rows])
        self._check_named()
        self._properties = self._collected([row.get("properties") for row in rows], columns)

    def add_to(self, encoded: EncodedEvents, first: int) -> None:
        place, num_rows = len(encoded.indexes), len(self._types)
        self._derive_ids()
        encoded.indexes += range(first, first + num_rows)
        encoded.event_ids += self._event_ids  # type: ignore[arg-type]  # none is absent any more
        encoded.user_ids += self._user_ids
        encoded.timestamps_ms += self._times
        encoded.item_ids += self._item_ids
        encoded.values += self._values()
        for number, shown in self._shown.items():
            encoded.listed[place + number] = tuple([one.item_id for one in shown])

    def _values(self) -> list[bytes]:
        """`Event.to_bytes()` of each row, without the events: making those took twice as long as writing them."""
        shown, received_ms, dumps = self._shown, self._received_ms, orjson.dumps
        columns = zip(
            self._event_ids, self._types, self._roles, self._user_ids, self._item_ids, self._times,
            self._recommendation_ids, self._properties, strict=True,
        )  # fmt: skip
        return [
            dumps(
                {
                    "event_id": event_id,
                    "type": event_type,
                    "role": role.value,
                    "user_id": user_id,
                    "item_id": item_id,
                    "timestamp_ms": timestamp_ms,
                    "received_ms": received_ms,
                    "recommendation_id": recommendation_id,
                    "items": shown.get(number, ()),
                    "properties": properties,
                    "features": None,
                }
            )
            for number, (
                event_id, event_type, role, user_id, item_id, timestamp_ms, recommendation_id, properties,
            ) in enumerate(columns)
        ]  # fmt: skip

    def _listed(self, lists: list[Any]) -> dict[int, tuple[ShownItem, ...]]:
        if lists.count(None) == len(lists):
            return {}
        shown = {}
        for number, items in enumerate(lists):
            if items is None:
                continue
            if self._roles[number] is not EventRole.IMPRESSION or self._item_ids[number] is not None:
                raise Doubtful
            problems: list[Any] = []
            shown[number] = shown_items(items, problems)
            if problems:
                raise Doubtful
        return shown

    def _check_named(self) -> None:
        """That an item is named where the role asks for one."""
        if None not in self._item_ids:
            return
        for number, item_id in enumerate(self._item_ids):
            if item_id is None and number not in self._shown and self._roles[number] is not EventRole.OTHER:
                raise Doubtful

    def _collected(self, given: list[Any], columns: dict[str, PropertyColumns]) -> list[dict[str, Any]]:
        if None in given:
            given = [_NO_PROPERTIES if one is None else one for one in given]
        types = set(self._types)
        if len(types) == 1:
            return columns[types.pop()].collect(given)
        collected: list[dict[str, Any]] = [_NO_PROPERTIES] * len(given)
        for event_type in types:
            numbers = [number for number, one in enumerate(self._types) if one == event_type]
            checked = columns[event_type].collect([given[number] for number in numbers])
            for number, properties in zip(numbers, checked, strict=True):
                collected[number] = properties
        return collected

    def _derive_ids(self) -> None:
        if None not in self._event_ids:
            return
        for number, event_id in enumerate(self._event_ids):
            if event_id is None:
                self._event_ids[number] = derived_event_id(
                    event_type=self._types[number],
                    user_id=self._user_ids[number],
                    item_id=self._item_ids[number],
                    items=self._shown.get(number, ()),
                    timestamp_ms=self._times[number],
                    recommendation_id=self._recommendation_ids[number],
                    properties=self._properties[number],
                )


def _declared(types: list[Any], roles: dict[str, EventRole]) -> list[str]:
    if set(map(type, types)) != {str} or not set(types) <= roles.keys():
        raise Doubtful
    return types


def _ids(values: list[Any]) -> list[str]:
    """Ids that are printable text of the right length: nearly all. The others are looked at closely elsewhere."""
    if set(map(type, values)) != {str} or not all(map(str.isprintable, values)):
        raise Doubtful
    lengths = set(map(len, values))
    if min(lengths) < 1 or max(lengths) > MAX_ID_LENGTH:
        raise Doubtful
    return values


def _optional_ids(values: list[Any]) -> list[str | None]:
    num_absent = values.count(None)
    if num_absent != len(values):
        _ids(values if not num_absent else [one for one in values if one is not None])
    return values


def _times(values: list[Any], received_ms: int) -> list[int]:
    if set(map(type, values)) == {int}:
        check_timestamp(max(values))
        times = values
    else:
        times = [received_ms if one is None else check_timestamp(one) for one in values]
    if min(times) < EARLIEST_EVENT_MS or max(times) > received_ms + MAX_FUTURE_MS:
        raise Doubtful
    return times
