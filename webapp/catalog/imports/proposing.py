"""What a schema lacks for a file: event types and properties that its columns name, each with the reason for its type or role."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.spec.schema import PropertyType
from webapp.catalog.guessing.roles import role_of
from webapp.catalog.guessing.sampling import Sample
from webapp.catalog.imports.choices import Choices, ColumnChoice, Use
from webapp.catalog.imports.first_choices import ColumnNotes
from webapp.catalog.models import Import

_ROOM: Final = 2
_DEFAULT_LENGTH: Final = 256
_MAX_LENGTH: Final = 4096
_DEFAULT_VALUES: Final = 64
_MAX_VALUES: Final = 1024


@dataclass(frozen=True, slots=True)
class Addition:
    """One thing that the schema does not declare yet: an event type of `events`, or a property of each of `of`."""

    what: str
    of: tuple[str, ...]
    declared: str
    because: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """The schema's document with all additions; nothing that it declares already is changed."""

    document: dict[str, Any]
    additions: list[Addition]


def proposal(document: dict[str, Any], sample: Sample, choices: Choices, notes: dict[str, ColumnNotes]) -> Proposal:
    """For the choices as they are; columns that are left out propose nothing."""
    made = Proposal(copy.deepcopy(document), [])
    if choices.kind == Import.Kind.EVENTS:
        for event_type, rows in _rows_by_type(sample, choices).items():
            given = [] if choices.as_events else _given(choices, sample, rows)
            _propose_type(made, event_type, given, notes)
    else:
        declared = made.document.setdefault(choices.kind.value, {})
        _propose_properties(made, declared, choices.kind.value, choices.used(Use.PROPERTY), notes)
    made.additions.sort(key=lambda one: one.of != ("events",))  # types before properties
    return made


def _rows_by_type(sample: Sample, choices: Choices) -> dict[str, list[int]]:
    """Places of the sample's rows by the event type that they become."""
    if choices.as_events:
        texts: list[Any] = sample.cells.get("type", [])
    elif types := choices.used(Use.TYPE):
        texts = [choices.type_values.get(str(text)) or text for text in sample.cells.get(types[0].column, [])]
    else:
        texts = [choices.type_value] * sample.num_rows
    found: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        if isinstance(text, str) and text:
            found.setdefault(text, []).append(place)
    return found


def _given(choices: Choices, sample: Sample, rows: list[int]) -> list[ColumnChoice]:
    """Those of the columns chosen as properties that some of the rows have a value for."""
    return [
        one
        for one in choices.used(Use.PROPERTY)
        if any(sample.cells[one.column][row] not in (None, "") for row in rows)
    ]


def _propose_type(made: Proposal, event_type: str, given: list[ColumnChoice], notes: dict[str, ColumnNotes]) -> None:
    types = made.document.setdefault("events", {})
    if event_type not in types:
        role, because = role_of(event_type)
        types[event_type] = {"role": role.value, "properties": {}}
        made.additions.append(Addition(event_type, ("events",), role.value, because))
    _propose_properties(made, types[event_type].setdefault("properties", {}), event_type, given, notes)


def _propose_properties(
    made: Proposal, declared: dict[str, Any], of: str, columns: list[ColumnChoice], notes: dict[str, ColumnNotes]
) -> None:
    for one in columns:
        if one.name in declared or not one.name:
            continue
        declared[one.name] = _declaration(one, notes.get(one.column))
        note = notes.get(one.column)
        because = note.type_because if note and note.type == one.type else "you chose this type"
        _add(made.additions, Addition(one.name, (of,), one.type.value, because))


def _add(additions: list[Addition], new: Addition) -> None:
    """The same of another event type is the same thing."""
    for place, one in enumerate(additions):
        if (one.what, one.declared, one.because) == (new.what, new.declared, new.because) and one.of != ("events",):
            additions[place] = replace(one, of=one.of + new.of)
            return
    additions.append(new)


def _declaration(column: ColumnChoice, note: ColumnNotes | None) -> dict[str, Any]:
    """With room for values of twice the length that the sample has, where that is more than the default."""
    declared: dict[str, Any] = {"type": column.type.value}
    longest = note.profile.longest if note else 0
    if column.type is PropertyType.VECTOR:
        declared["dim"] = column.dim or (note.profile.typed.dim if note else None) or 1
    if column.type is PropertyType.STRING and longest * _ROOM > _DEFAULT_LENGTH:
        declared["max_length"] = min(_MAX_LENGTH, longest * _ROOM)
    if column.type is PropertyType.STRING_LIST and longest > _DEFAULT_VALUES:
        declared["max_values"] = min(_MAX_VALUES, longest)
    return declared
