"""The first choices for a file, from what its columns are guessed to be, and the profile that stands beside each choice."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from engine.spec.schema import PropertyType
from webapp.catalog.guessing.profile import ColumnProfile, profile_of, time_unit_of
from webapp.catalog.guessing.roles import Guess, guess_roles, property_name_of, property_type_of
from webapp.catalog.guessing.sampling import Sample
from webapp.catalog.importing.mapping import FileFormat, TimeUnit
from webapp.catalog.importing.times import to_ms
from webapp.catalog.imports.choices import Choices, ColumnChoice, Use
from webapp.catalog.models import Import

API_FIELDS = frozenset(("type", "user_id", "timestamp"))


@dataclass(frozen=True, slots=True)
class ColumnNotes:
    """What is known of a column, what it was guessed to be for, and why its type."""

    profile: ColumnProfile
    guess: Guess
    type: PropertyType
    type_because: str


@dataclass(frozen=True, slots=True)
class Guessed:
    """`because` says why the rows are of this kind."""

    choices: Choices
    because: str
    notes: dict[str, ColumnNotes]


def first_choices(sample: Sample, kind: Import.Kind | None = None) -> Guessed:
    """`kind` where a person has said it."""
    profiles = [profile_of(name, cells) for name, cells in sample.cells.items()]
    guesses = guess_roles(profiles, kind)
    notes = {one.name: ColumnNotes(one, guesses.of[one.name], *property_type_of(one)) for one in profiles}
    as_events = guesses.kind is Import.Kind.EVENTS and _is_api_form(sample)
    because = (
        "every row is an object with type, user_id and timestamp, as the API takes events"
        if as_events
        else guesses.because
    )
    times = [name for name, guess in guesses.of.items() if guess.use is Use.TIME]
    choices = Choices(
        kind=guesses.kind,
        as_events=as_events,
        columns=_columns(notes.values()),
        type_value="" if any(guess.use is Use.TYPE for guess in guesses.of.values()) else "click",
        type_values=_type_values(notes),
        time_unit=guesses.time_unit,
        sort=bool(times) and _is_out_of_order(sample, times[0], guesses.time_unit),
    )
    return Guessed(choices, because, notes)


def notes_of(sample: Sample, choices: Choices) -> dict[str, ColumnNotes]:
    """The notes beside choices that were made before."""
    return first_choices(sample, Import.Kind(choices.kind)).notes


def time_unit_guessed(sample: Sample, column: str) -> TimeUnit | None:
    """Of a column that a person has chosen for the time."""
    return time_unit_of(sample.cells.get(column, []))


def _columns(notes: Iterable[ColumnNotes]) -> list[ColumnChoice]:
    made: list[ColumnChoice] = []
    taken: set[str] = set()
    for note in notes:
        name = property_name_of(note.profile.name)
        while name in taken:
            name = f"{name[:60]}_2"
        taken.add(name)
        made.append(
            ColumnChoice(
                column=note.profile.name, use=note.guess.use, name=name, type=note.type, dim=note.profile.typed.dim
            )
        )
    return made


def _type_values(notes: dict[str, ColumnNotes]) -> dict[str, str]:
    for note in notes.values():
        if note.guess.use is Use.TYPE:
            return {text: property_name_of(text) for text, _ in note.profile.values}
    return {}


def _is_api_form(sample: Sample) -> bool:
    if sample.format is not FileFormat.JSONL or not set(sample.columns) >= API_FIELDS:
        return False
    required = [sample.cells[name] for name in API_FIELDS]
    return all(value is not None for column in required for value in column)


def _is_out_of_order(sample: Sample, column: str, unit: TimeUnit) -> bool:
    times = [time for cell in sample.cells[column] if (time := to_ms(cell, unit)) is not None]
    return any(earlier > later for earlier, later in itertools.pairwise(times))
