"""What the schema form's template shows: the rows as controls, each with what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.spec.candidates import CoOccurrence, Unfinished
from engine.spec.counter import Counter
from engine.spec.document import Document
from engine.spec.joining import Joining
from engine.spec.schema import EventType, Property, Schema
from webapp.registry.controls import Control, controls
from webapp.registry.definition_form import problems_by_path
from webapp.registry.schema_rows import EVENT_FIELDS, NamedRow, SchemaRows


@dataclass(frozen=True)
class SettingPart:
    """Fields of a document inside the schema, at `path`; `only` some of them."""

    model: type[Document]
    path: str = ""
    only: tuple[str, ...] | None = None


LABELS = {"schema.candidates.unfinished.window_s": "Brought back for (seconds)"}
GROUPS: tuple[tuple[str, str, tuple[SettingPart, ...]], ...] = (
    (
        "Joining",
        "How impressions and actions become examples.",
        (
            SettingPart(Schema, "", ("join_window_s",)),
            SettingPart(Joining, "joining"),
            SettingPart(Schema, "", ("num_drawn_negatives",)),
        ),
    ),
    ("Items and histories", "", (SettingPart(Schema, "", ("create_items_from_events", "history_length")),)),
    (
        "Items that go together",
        "How pairs are counted, and an item's neighbours ranked.",
        (SettingPart(CoOccurrence, "candidates.item_to_item"),),
    ),
    (
        "What a user began and did not finish",
        "Event types, separated by commas. Empty: nothing is brought back.",
        (SettingPart(Unfinished, "candidates.unfinished"),),
    ),
)


@dataclass(frozen=True)
class EventRows:
    """One event type: its own controls, and a row of controls for each property, in `part` of the form."""

    index: int
    name: str
    controls: list[Control]
    properties: list[list[Control]]

    @property
    def part(self) -> str:
        return f"events.{self.index}.properties"


@dataclass(frozen=True)
class SettingGroup:
    title: str
    about: str
    controls: list[Control]


def form_context(rows: SchemaRows, problems: list[dict[str, str]]) -> dict[str, Any]:
    by_path = problems_by_path(problems)
    types = [row.name for row in rows.events if row.name]
    return {
        "users": _named_rows(rows.users, Property, "users", "users", by_path),
        "items": _named_rows(rows.items, Property, "items", "items", by_path),
        "events": [_event(index, row, by_path) for index, row in enumerate(rows.events)],
        "counters": _named_rows(rows.counters, Counter, "counters", "counters", by_path),
        "event_types": types,
        "settings": [
            SettingGroup(title, about, [one for part in parts for one in _settings(part, rows.settings, by_path)])
            for title, about, parts in GROUPS
        ],
    }


def _event(index: int, row: NamedRow, by_path: Mapping[str, str]) -> EventRows:
    path, at = f"events.{index}", f"events.{row.name}"
    own = controls(EventType, path, row.values, by_path, only=EVENT_FIELDS, at=at)
    inner = _named_rows(row.properties, Property, f"{path}.properties", f"{at}.properties", by_path)
    return EventRows(index, row.name, [_name_control(path, row.name, by_path, at), *own], inner)


def _named_rows(
    rows: list[NamedRow], kind: type[Document], part: str, at: str, by_path: Mapping[str, str]
) -> list[list[Control]]:
    made = []
    for index, row in enumerate(rows):
        path, named = f"{part}.{index}", f"{at}.{row.name}"
        made.append(
            [_name_control(path, row.name, by_path, named), *controls(kind, path, row.values, by_path, at=named)]
        )
    return made


def _name_control(path: str, name: str, by_path: Mapping[str, str], at: str) -> Control:
    problem = by_path.get(f"{path}.name", "") or by_path.get(at, "")
    return Control(path=f"{path}.name", label="Name", help="", kind="text", value=name, problem=problem)


def _settings(part: SettingPart, settings: Mapping[str, Any], by_path: Mapping[str, str]) -> list[Control]:
    """Of a part that is absent every control is empty: were its defaults there, posting the form would bring it about."""
    path = f"schema.{part.path}" if part.path else "schema"
    values: Any = settings
    for name in filter(None, part.path.split(".")):
        values = (values or {}).get(name)
    if values is None:
        is_optional = part.model is Unfinished
        values = dict.fromkeys(part.model.model_fields) if is_optional else {}
    # The specification names a setting without the form's prefix.
    problems = {f"schema.{field}": rule for field, rule in by_path.items()}
    made = controls(part.model, path, values, problems, only=part.only)
    return [replace(one, label=LABELS.get(one.path, one.label)) for one in made]
