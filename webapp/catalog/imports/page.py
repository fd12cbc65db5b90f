"""What the page of a draft shows: each column with its use, what was seen of it and why it was guessed, and what the schema lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from engine.spec.schema import PropertyType, Schema
from webapp.catalog.guessing.sampling import Sample, read_sample
from webapp.catalog.importing.mapping import TimeUnit
from webapp.catalog.imports.choices import USE_TITLES, USES, Choices, ColumnChoice, Use
from webapp.catalog.imports.first_choices import ColumnNotes, Guessed, first_choices
from webapp.catalog.imports.previewing import preview
from webapp.catalog.imports.proposing import Addition, proposal
from webapp.catalog.models import Import

TIME_UNIT_TITLES: Final = {
    TimeUnit.ISO: "RFC 3339, as 2026-01-31T08:30:00Z",
    TimeUnit.TEXT_UTC: "dates and times without an offset, taken as UTC",
    TimeUnit.S: "seconds since 1970",
    TimeUnit.MS: "milliseconds since 1970",
    TimeUnit.US: "microseconds since 1970",
}
KIND_WORDS: Final = {
    Import.Kind.EVENTS: "events: something a user did with an item",
    Import.Kind.ITEMS: "items, one a row, with properties",
    Import.Kind.USERS: "users, one a row, with properties",
}


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """One column of the file on the page. `why` explains the guess, or says that it was changed."""

    index: int
    choice: ColumnChoice
    notes: ColumnNotes | None
    why: str
    is_guess: bool


def draft_context(loading: Import, schema: Schema) -> dict[str, Any]:
    """Raises `InvalidDocument` when the file is no longer readable."""
    sample = read_sample(loading.file)
    choices = Choices.parse(loading.choices, "choices")
    guessed = first_choices(sample, Import.Kind(choices.kind))
    return {
        "sample": sample,
        "choices": choices,
        "kinds": [(kind.value, words) for kind, words in KIND_WORDS.items()],
        "kind_because": first_choices(sample).because if not choices.as_events else guessed.because,
        "can_be_api": guessed.choices.as_events,
        "rows": _rows(choices, guessed),
        "uses": [(use.value, USE_TITLES[use]) for use in USES[choices.kind.value]],
        "types": [kind.value for kind in PropertyType],
        "time_units": [(unit.value, title) for unit, title in TIME_UNIT_TITLES.items()],
        "has_time": bool(choices.used(Use.TIME)),
        "has_type_column": bool(choices.used(Use.TYPE)),
        "type_values": [
            (index, text, choices.type_values[text], choices.type_values[text] in schema.events)
            for index, text in enumerate(sorted(choices.type_values))
        ],
        "preview": preview(sample, choices, schema),
        "additions": additions_of(sample, choices, schema, guessed.notes),
    }


def additions_of(sample: Sample, choices: Choices, schema: Schema, notes: dict[str, ColumnNotes]) -> list[Addition]:
    return proposal(schema.as_json(), sample, choices, notes).additions


def proposed_schema(loading: Import, schema: Schema) -> tuple[dict[str, Any], list[Addition]]:
    """The schema with what the file needs added, and each addition with its reason. Raises `InvalidDocument`."""
    sample = read_sample(loading.file)
    choices = Choices.parse(loading.choices, "choices")
    notes = first_choices(sample, Import.Kind(choices.kind)).notes
    made = proposal(schema.as_json(), sample, choices, notes)
    return made.document, made.additions


def _rows(choices: Choices, guessed: Guessed) -> list[ColumnRow]:
    rows = []
    for index, choice in enumerate(choices.columns):
        notes = guessed.notes.get(choice.column)
        is_guess = notes is not None and notes.guess.use is choice.use
        why = notes.guess.because if notes and is_guess else "you chose this"
        rows.append(ColumnRow(index, choice, notes, why, is_guess))
    return rows
