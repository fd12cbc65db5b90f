"""A schema as the rows of its form, and back: declarations by name become rows with a name, so that a row may be half written.

The form never validates. What it can alone see, a name that is empty or there twice, it says; the specification judges the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.spec.counter import Counter
from engine.spec.document import Document
from engine.spec.schema import EventType, Property, Schema
from webapp.registry.form_reading import read_part, row_indexes

ENTITIES: Final = ("users", "items")
SETTINGS: Final = (
    "create_items_from_events",
    "join_window_s",
    "history_length",
    "num_drawn_negatives",
    "joining",
    "candidates",
)
EVENT_FIELDS: Final = ("role", "join_window_s")


@dataclass(slots=True)
class NamedRow:
    """A declaration under its name; `properties` are of an event type."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    properties: list[NamedRow] = field(default_factory=list)


@dataclass(slots=True)
class SchemaRows:
    """Everything that the form shows. `parts` are the lists that rows are added to and taken from, by their path in the form."""

    users: list[NamedRow] = field(default_factory=list)
    items: list[NamedRow] = field(default_factory=list)
    events: list[NamedRow] = field(default_factory=list)
    counters: list[NamedRow] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def part(self, path: str) -> list[NamedRow] | None:
        """`users`, `items`, `events`, `counters` or `events.<n>.properties`; None for what is no list of the form."""
        if path in (*ENTITIES, "events", "counters"):
            found: list[NamedRow] = getattr(self, path)
            return found
        first, _, rest = path.partition(".")
        number, _, last = rest.partition(".")
        if first == "events" and last == "properties" and number.isdigit() and int(number) < len(self.events):
            return self.events[int(number)].properties
        return None

    def document(self) -> tuple[dict[str, Any], list[dict[str, str]]]:
        """The JSON document, and what is wrong with the names of rows."""
        problems: list[dict[str, str]] = []
        document: dict[str, Any] = {name: _named(getattr(self, name), name, problems) for name in ENTITIES}
        for place, row in enumerate(self.events):
            row.values["properties"] = _named(row.properties, f"events.{place}.properties", problems)
        document["events"] = _named(self.events, "events", problems)
        document |= self.settings
        document["counters"] = _named(self.counters, "counters", problems)
        return document, problems


def rows_of(document: Mapping[str, Any]) -> SchemaRows:
    """The rows of a document of the form's shape (`fits_form`)."""
    return SchemaRows(
        users=_rows(document.get("users")),
        items=_rows(document.get("items")),
        events=[_event_row(name, values) for name, values in (document.get("events") or {}).items()],
        counters=_rows(document.get("counters")),
        settings={name: document[name] for name in SETTINGS if name in document},
    )


def rows_from_form(data: Mapping[str, Any]) -> SchemaRows:
    """What was posted."""
    events = []
    for index in row_indexes(data, "events"):
        path = f"events.{index}"
        values = read_part(EventType, path, data, EVENT_FIELDS)
        events.append(NamedRow(_name(data, path), values, _posted(Property, f"{path}.properties", data)))
    return SchemaRows(
        users=_posted(Property, "users", data),
        items=_posted(Property, "items", data),
        events=events,
        counters=_posted(Counter, "counters", data),
        settings=_settings(data),
    )


def _settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """Unfinished items of no type at all are none."""
    settings = read_part(Schema, "schema", data, SETTINGS)
    candidates = settings.get("candidates") or {}
    unfinished = candidates.get("unfinished") or {}
    if not unfinished.get("started") and not unfinished.get("finished"):
        candidates.pop("unfinished", None)
    return settings


def fits_form(document: Any) -> bool:
    """Whether the form can show the document: an object whose declarations are objects, with nothing that the form has no place for."""
    if not isinstance(document, dict) or not document.keys() <= Schema.model_fields.keys():
        return False
    kinds: dict[str, type[Document]] = {"users": Property, "items": Property, "events": EventType, "counters": Counter}
    for name, kind in kinds.items():
        if not _all_fit(document.get(name, {}), kind):
            return False
    return all(_all_fit(event.get("properties", {}), Property) for event in document.get("events", {}).values())


def _all_fit(declared: Any, kind: type[Document]) -> bool:
    return isinstance(declared, dict) and all(
        isinstance(one, dict) and one.keys() <= kind.model_fields.keys() for one in declared.values()
    )


def _rows(declared: Mapping[str, Any] | None) -> list[NamedRow]:
    return [NamedRow(name, dict(values)) for name, values in (declared or {}).items()]


def _event_row(name: str, values: Mapping[str, Any]) -> NamedRow:
    own = {each: values[each] for each in EVENT_FIELDS if each in values}
    return NamedRow(name, own, _rows(values.get("properties")))


def _posted(kind: type[Document], part: str, data: Mapping[str, Any]) -> list[NamedRow]:
    return [
        NamedRow(_name(data, f"{part}.{index}"), read_part(kind, f"{part}.{index}", data))
        for index in row_indexes(data, part.replace(".", r"\."))
    ]


def _name(data: Mapping[str, Any], path: str) -> str:
    return str(data.get(f"{path}.name", "")).strip()


def _named(rows: list[NamedRow], part: str, problems: list[dict[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for place, row in enumerate(rows):
        where = f"{part}.{place}.name"
        if not row.name:
            problems.append({"field": where, "rule": "must have a name", "received": "nothing"})
        elif row.name in found:
            problems.append({"field": where, "rule": "is there twice", "received": row.name})
        else:
            found[row.name] = row.values
    return found
