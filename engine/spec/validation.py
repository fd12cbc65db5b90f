"""Rows from outside into validated events and properties, against a schema compiled once into closures.

Every row is judged by itself: a broken row is rejected with every problem found, and the others pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import xxhash

from engine.errors import InvalidDocument, Problem
from engine.spec.document import shorten
from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole, Property, Schema
from engine.spec.values import BrokenRule, Check, check_float, check_id, check_integer, check_timestamp, property_check

MAX_FUTURE_MS = 24 * 3_600_000
EARLIEST_EVENT_MS = 946_684_800_000  # 2000-01-01T00:00:00Z
MAX_SHOWN_ITEMS = 1000
MAX_LISTED = 20

EVENT_FIELDS = frozenset(
    ("event_id", "type", "user_id", "item_id", "items", "timestamp", "recommendation_id", "properties")
)
_SHOWN_FIELDS = frozenset(("item_id", "position", "score"))
_NO_PROPERTIES: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class UnreadRow:
    """A row that could not be read at all: its text (the beginning of it), and the rule that it breaks."""

    text: str
    rule: str


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that is not an event: its number in the batch, what is wrong with it, and the row itself."""

    index: int
    problems: tuple[Problem, ...]
    row: object


@dataclass(slots=True)
class ValidationResult:
    """`indexes[n]` is the row number of `events[n]`; both, and `rejected`, are in the order of the rows."""

    events: list[Event] = field(default_factory=list)
    indexes: list[int] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)


class PropertyValidator:
    """Checks one entity's properties against their declarations."""

    def __init__(self, declared: Mapping[str, Property], what: str = "properties") -> None:
        self._what = what
        self._checks: dict[str, Check] = {name: property_check(one) for name, one in declared.items()}
        self._required = [name for name, one in declared.items() if one.required]

    def validate(self, properties: object, *, partial: bool = False) -> dict[str, Any]:
        """The properties as they are stored: nulls dropped, timestamps as integer milliseconds, floats as floats.

        With `partial` (a PATCH) required properties may be absent, and a null is kept: it clears an optional one.
        Raises `InvalidDocument` with every problem.
        """
        problems: list[Problem] = []
        checked = self.collect(properties, "", problems, partial=partial)
        if problems:
            raise InvalidDocument(self._what, problems)
        return checked

    def collect(
        self, properties: object, prefix: str, problems: list[Problem], *, partial: bool = False
    ) -> dict[str, Any]:
        """As `validate`, with the problems appended to `problems`, each field's name after `prefix`."""
        if not isinstance(properties, dict):
            problems.append(Problem(prefix.rstrip(".") or "(document)", "must be an object", shorten(properties)))
            return {}
        checked: dict[str, Any] = {}
        checks = self._checks
        num_undeclared = 0
        for name, value in properties.items():
            check = checks.get(name)
            if check is None:
                num_undeclared += 1
                if num_undeclared <= MAX_LISTED:
                    problems.append(Problem(prefix + _printable(name), self._undeclared_rule(), shorten(value)))
            elif value is None:
                if partial:
                    checked[name] = None
            else:
                try:
                    checked[name] = check(value)
                except BrokenRule as broken:
                    problems.append(Problem(prefix + name, str(broken), shorten(value)))
        for name in self._required:
            if properties.get(name) is None and (name in properties or not partial):
                problems.append(Problem(prefix + name, "is required", "null" if name in properties else "nothing"))
        return checked

    def _undeclared_rule(self) -> str:
        return f"is not declared in the schema; declared: {_listed(self._checks)}"


class EventValidator:
    """Checks rows in the API's form against a project's schema. Safe to share between threads."""

    def __init__(self, schema: Schema) -> None:
        self._types = {
            name: (declared.role, PropertyValidator(declared.properties)) for name, declared in schema.events.items()
        }
        self._type_rule = f"must be one of the declared event types: {_listed(schema.events)}"

    def validate(self, rows: Sequence[object], *, received_ms: int) -> ValidationResult:
        """Judge each row. `received_ms` is when the batch arrived: the time of rows without one, and the judge of
        times in the future (at most 24 hours ahead).
        """
        result = ValidationResult()
        for index, row in enumerate(rows):
            problems: list[Problem] = []
            event = self._event(row, received_ms, problems)
            if problems or event is None:
                kept = row.text if isinstance(row, UnreadRow) else row
                result.rejected.append(RejectedRow(index, tuple(problems), kept))
            else:
                result.events.append(event)
                result.indexes.append(index)
        return result

    def _event(self, row: object, received_ms: int, problems: list[Problem]) -> Event | None:
        if isinstance(row, UnreadRow):
            problems.append(Problem("(row)", row.rule, shorten(row.text)))
            return None
        if not isinstance(row, dict):
            problems.append(Problem("(row)", "must be an object", shorten(row)))
            return None
        if not row.keys() <= EVENT_FIELDS:
            _refuse_unknown(row, EVENT_FIELDS, "", problems)
        user_id = _required(row, "user_id", check_id, problems)
        event_id = _optional(row, "event_id", check_id, problems)
        recommendation_id = _optional(row, "recommendation_id", check_id, problems)
        timestamp_ms = _event_time(row, received_ms, problems)
        event_type = row.get("type")
        if not isinstance(event_type, str) or event_type not in self._types:
            received = shorten(event_type) if "type" in row else "nothing"
            problems.append(Problem("type", self._type_rule, received))
            return None
        role, validator = self._types[event_type]
        item_id, items = _subject(row, role, problems)
        properties = row.get("properties")
        checked = validator.collect(_NO_PROPERTIES if properties is None else properties, "properties.", problems)
        if problems:
            return None
        if event_id is None:
            # Without a time of its own a row repeated tomorrow is another event, so the receipt tells them apart.
            event_id = derived_event_id(
                event_type=event_type,
                user_id=user_id,
                item_id=item_id,
                items=items,
                timestamp_ms=timestamp_ms,
                recommendation_id=recommendation_id,
                properties=checked,
            )
        return Event(
            event_id,
            event_type,
            role,
            user_id,
            item_id,
            timestamp_ms,
            received_ms,
            recommendation_id,
            items,
            checked,
        )


def _event_time(row: dict[str, Any], received_ms: int, problems: list[Problem]) -> int:
    timestamp_ms = _optional(row, "timestamp", check_timestamp, problems)
    if timestamp_ms is None:
        return received_ms
    if timestamp_ms > received_ms + MAX_FUTURE_MS:
        rule = "must not be more than 24 hours after the time of receipt"
    elif timestamp_ms < EARLIEST_EVENT_MS:
        rule = "must not be before 2000-01-01T00:00:00Z (integers are milliseconds, not seconds)"
    else:
        return int(timestamp_ms)
    problems.append(Problem("timestamp", rule, shorten(row["timestamp"])))
    return received_ms


def _subject(row: dict[str, Any], role: EventRole, problems: list[Problem]) -> tuple[str | None, tuple[ShownItem, ...]]:
    if row.get("items") is None:
        if role is EventRole.OTHER:
            return _optional(row, "item_id", check_id, problems), ()
        return _required(row, "item_id", check_id, problems), ()
    if role is not EventRole.IMPRESSION:
        problems.append(Problem("items", "only an impression shows several items; use item_id", shorten(row["items"])))
    elif row.get("item_id") is not None:
        problems.append(Problem("items", "item_id and items exclude each other", shorten(row["items"])))
    else:
        return None, shown_items(row["items"], problems)
    return None, ()


def shown_items(items: object, problems: list[Problem]) -> tuple[ShownItem, ...]:
    """The items of an impression's list, with what is wrong appended to `problems`."""
    if not isinstance(items, list | tuple) or not 0 < len(items) <= MAX_SHOWN_ITEMS:
        problems.append(Problem("items", f"must be a list of 1 to {MAX_SHOWN_ITEMS} items", shorten(items)))
        return ()
    shown = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        path = f"items.{index}."
        row = item if isinstance(item, dict) else {"item_id": item}
        if not row.keys() <= _SHOWN_FIELDS:
            _refuse_unknown(row, _SHOWN_FIELDS, path, problems)
        item_id = _required(row, "item_id", check_id, problems, path)
        position = _optional(row, "position", _check_position, problems, path)
        score = _optional(row, "score", check_float, problems, path)
        if item_id in seen:
            problems.append(Problem(f"{path}item_id", "is in the list twice", shorten(item_id)))
        seen.add(item_id)
        shown.append(ShownItem(item_id, index if position is None else position, score))
    return tuple(shown)


def _check_position(value: Any) -> int:
    position = check_integer(value)
    if not 0 <= position < 2**31:
        raise BrokenRule("must be 0 or more")
    return position


def _required(row: dict[str, Any], name: str, check: Check, problems: list[Problem], prefix: str = "") -> Any:
    value = row.get(name)
    if value is None:
        problems.append(Problem(prefix + name, "is required", "null" if name in row else "nothing"))
        return None
    try:
        return check(value)
    except BrokenRule as broken:
        problems.append(Problem(prefix + name, str(broken), shorten(value)))
        return None


def _optional(row: dict[str, Any], name: str, check: Check, problems: list[Problem], prefix: str = "") -> Any:
    return None if row.get(name) is None else _required(row, name, check, problems, prefix)


def _refuse_unknown(row: dict[str, Any], known: frozenset[str], prefix: str, problems: list[Problem]) -> None:
    unknown = [name for name in row if name not in known]
    for name in unknown[:MAX_LISTED]:
        rule = f"is not a field; the fields are: {_listed(sorted(known))}"
        problems.append(Problem(prefix + _printable(name), rule, shorten(row[name])))


def derived_event_id(
    *,
    event_type: str,
    user_id: str,
    item_id: str | None,
    items: tuple[ShownItem, ...],
    timestamp_ms: int,
    recommendation_id: str | None,
    properties: dict[str, Any],
) -> str:
    """A name for a row without one: 128 bits of its canonical content, so that a repeat gets the same name."""
    subject = [[shown.item_id, shown.position, shown.score] for shown in items] or item_id
    canonical = [event_type, user_id, subject, timestamp_ms, recommendation_id, properties]
    return "row-" + xxhash.xxh3_128_hexdigest(orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS))


def _printable(name: object) -> str:
    """An undeclared name as an answer can carry it: short, and encodable even when it holds a lone surrogate."""
    return str(name)[:80].encode(errors="backslashreplace").decode()


def _listed(names: Mapping[str, Any] | Sequence[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - MAX_LISTED} more" if len(listed) > MAX_LISTED else ""
    return ", ".join(listed[:MAX_LISTED]) + more if listed else "none"
