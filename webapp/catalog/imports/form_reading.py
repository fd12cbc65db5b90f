"""From the posted form of an import back to its choices."""

from __future__ import annotations

from collections.abc import Mapping

from engine.spec.schema import PropertyType
from webapp.catalog.guessing.roles import property_name_of
from webapp.catalog.guessing.sampling import Sample
from webapp.catalog.importing.mapping import TimeUnit
from webapp.catalog.imports.choices import Choices, ColumnChoice, Use
from webapp.catalog.imports.first_choices import ColumnNotes, first_choices, time_unit_guessed
from webapp.catalog.models import Import

MAX_TEXT = 256


def choices_from_form(
    data: Mapping[str, str], before: Choices, sample: Sample, notes: Mapping[str, ColumnNotes]
) -> Choices:
    """What was posted; what is none of the choices stays what it was. Another kind of rows is guessed anew, and so are the texts of another
    column of types and the unit of another column of times."""
    kind = data.get("kind", before.kind.value)
    if kind in Import.Kind.values and kind != before.kind:
        return first_choices(sample, Import.Kind(kind)).choices
    columns = [_column(data, index, column, notes) for index, column in enumerate(before.columns)]
    chosen = before.model_copy(
        update={
            "as_events": data.get("form") == "api" if "form" in data else before.as_events,
            "columns": columns,
            "type_value": data.get("type_value", before.type_value).strip()[:MAX_TEXT],
            "sort": "sort" in data,
            "time_unit": TimeUnit(data["time_unit"]) if data.get("time_unit") in set(TimeUnit) else before.time_unit,
            "type_values": {
                text: data.get(f"value.{index}", before.type_values[text]).strip()[:MAX_TEXT]
                for index, text in enumerate(sorted(before.type_values))
            },
        }
    )
    if (types := _names(chosen, Use.TYPE)) != _names(before, Use.TYPE):
        values = notes[types[0]].profile.values if types and types[0] in notes else ()
        chosen = chosen.model_copy(update={"type_values": {text: property_name_of(text) for text, _ in values}})
    if (times := _names(chosen, Use.TIME)) != _names(before, Use.TIME) and times:
        chosen = chosen.model_copy(update={"time_unit": time_unit_guessed(sample, times[0]) or chosen.time_unit})
    return chosen


def _column(
    data: Mapping[str, str], index: int, before: ColumnChoice, notes: Mapping[str, ColumnNotes]
) -> ColumnChoice:
    use, type_ = data.get(f"use.{index}"), data.get(f"type.{index}")
    note = notes.get(before.column)
    chosen = PropertyType(type_) if type_ in set(PropertyType) else before.type
    return ColumnChoice(
        column=before.column,
        use=Use(use) if use in set(Use) else before.use,
        name=data.get(f"name.{index}", before.name).strip()[:MAX_TEXT],
        type=chosen,
        dim=note.profile.typed.dim if note and chosen is PropertyType.VECTOR else None,
    )


def _names(choices: Choices, use: Use) -> list[str]:
    return [one.column for one in choices.used(use)]
