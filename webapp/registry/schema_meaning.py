"""What publishing a schema would mean: for rows that come in, for what is stored, and for models that learn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.spec.schema import EventRole, Property, Schema
from webapp.core.templatetags.console import duration

Gravity = Literal["bad", "warn", "note"]
_ORDER: dict[Gravity, int] = {"bad": 0, "warn": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class Meaning:
    """One consequence. `about` is what changes, `model` the name of a model that it is for, if it is for one."""

    gravity: Gravity
    about: str
    words: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class ModelInUse:
    """A model's newest version, and whether it is being trained online now."""

    name: str
    version: int
    definition: ModelDefinition
    is_training: bool


def meaning(before: Schema, after: Schema, models: Sequence[ModelInUse]) -> list[Meaning]:
    """The gravest first."""
    found = [
        *_of_properties("user", before.users, after.users),
        *_of_properties("item", before.items, after.items),
        *_of_events(before, after),
        *_of_settings(before, after),
        *_of_counters(before, after),
        *(one for model in models for one in _of_model(model, before, after)),
    ]
    return sorted(found, key=lambda one: _ORDER[one.gravity])


def _of_properties(of: str, before: dict[str, Property], after: dict[str, Property]) -> Iterator[Meaning]:
    for name in _both(before, after):
        about = f"{of}.{name}"
        old, new = before.get(name), after.get(name)
        if old is None and new is not None:
            yield _added(about, new)
        elif new is None:
            yield Meaning("warn", about, "rows that still carry it are rejected as undeclared; what is stored stays.")
        elif old is not None and old != new:
            yield from _changed(about, old, new)


def _added(about: str, new: Property) -> Meaning:
    if new.required:
        return Meaning("bad", about, "is required: every row without it is rejected as soon as this is in force.")
    return Meaning("note", about, "is null in what is there already. A model reads it once its definition names it.")


def _changed(about: str, old: Property, new: Property) -> Iterator[Meaning]:
    if old.type is not new.type:
        words = (
            f"was {old.type} and is {new.type}: rows with the old type are rejected, and what is stored keeps it. "
            "A model that has learned from it reads other values now; train its next version."
        )
        yield Meaning("bad", about, words)
    if new.required and not old.required:
        yield Meaning("bad", about, "becomes required: rows without it are rejected.")
    if old.required and not new.required:
        yield Meaning("note", about, "may be left out from now on.")
    for field, unit in (("max_length", "characters"), ("max_values", "values")):
        had, has = getattr(old, field), getattr(new, field)
        if has < had:
            yield Meaning("warn", about, f"rows with more than {has:,} {unit} are rejected; {had:,} were taken.")
        elif has > had:
            yield Meaning("note", about, f"up to {has:,} {unit} are taken.")
    if old.dim != new.dim and new.type is old.type:
        yield Meaning("bad", about, f"vectors have {new.dim} numbers instead of {old.dim}; others are rejected.")


def _of_events(before: Schema, after: Schema) -> Iterator[Meaning]:
    for name in _both(before.events, after.events):
        old, new = before.events.get(name), after.events.get(name)
        if old is None and new is not None:
            yield Meaning("note", name, f"events of this type are taken, as {_article(new.role)}.")
        elif new is None:
            yield Meaning("bad", name, "events of this type are rejected; those in the log stay, and are not joined.")
        elif old is not None:
            if old.role is not new.role:
                words = f"was {_article(old.role)} and is {_article(new.role)}: {_ROLE_WORDS[new.role]}."
                yield Meaning("warn", name, words)
            if old.join_window_s != new.join_window_s:
                words = f"an impression waits {_window(new.join_window_s, after)} for it, instead of {_window(old.join_window_s, before)}."
                yield Meaning("warn", name, words)
            yield from _of_properties(name, old.properties, new.properties)


def _of_settings(before: Schema, after: Schema) -> Iterator[Meaning]:
    if before.join_window_s != after.join_window_s:
        words = (
            f"an impression waits {duration(after.join_window_s)} instead of {duration(before.join_window_s)}: "
            "labels of new examples differ from those learned so far, and so may rates and calibration."
        )
        yield Meaning("warn", "join_window_s", words)
    if before.joining != after.joining:
        yield Meaning(
            "warn", "joining", "examples made from now on follow the new rules; those in the log stay as they are."
        )
    if before.history_length != after.history_length:
        words = f"histories keep {after.history_length} items instead of {before.history_length}; longer ones grow with new events."
        yield Meaning("note", "history_length", words)
    if before.create_items_from_events and not after.create_items_from_events:
        yield Meaning(
            "warn", "create_items_from_events", "items that nobody has put into the catalogue are not recommended."
        )
    if after.create_items_from_events and not before.create_items_from_events:
        yield Meaning("note", "create_items_from_events", "an event on an unknown item creates the item.")
    if before.candidates != after.candidates:
        yield Meaning("note", "candidates", "replicas find candidates by the new settings as they hear of them.")


def _of_counters(before: Schema, after: Schema) -> Iterator[Meaning]:
    for name in _both(before.counters, after.counters):
        old, new = before.counters.get(name), after.counters.get(name)
        if old is None:
            yield Meaning("note", f"counter {name}", "begins at 0: it counts events from now on.")
        elif new is None:
            yield Meaning("warn", f"counter {name}", "is counted no more; who reads it is given 0.")
        elif old != new:
            yield Meaning(
                "warn", f"counter {name}", "counts something else from now on; what is new of it begins at 0."
            )


def _of_model(model: ModelInUse, before: Schema, after: Schema) -> Iterator[Meaning]:
    """Rules of the definition that the new schema would break, and the old one did not."""
    had = {problem["field"] for problem in _problems(model.definition, before)}
    new = [problem for problem in _problems(model.definition, after) if problem["field"] not in had]
    if not new:
        return
    what = "; ".join(f"{problem['received'].strip(chr(39))} {problem['rule']}" for problem in new[:4])
    state = (
        "It is being trained now and goes on, with nothing in their place."
        if model.is_training
        else "It cannot be trained again until its definition is changed."
    )
    yield Meaning("bad", f"model {model.name} v{model.version}", f"{what}. {state}", model.name)


def _problems(definition: ModelDefinition, schema: Schema) -> list[dict[str, str]]:
    try:
        definition.check_against(schema)
    except InvalidDocument as error:
        found = error.extra.get("problems", [])
        return found if isinstance(found, list) else []
    return []


_ROLE_WORDS = {
    EventRole.IMPRESSION: "each waits for actions, and becomes a negative when none comes",
    EventRole.ACTION: "each is a label, and no impression any more",
    EventRole.OTHER: "they are kept, and no example is made of them",
}


def _article(role: EventRole) -> str:
    return {EventRole.OTHER: "an event that is only kept"}.get(role, f"an {role.value}")


def _window(seconds: float | None, schema: Schema) -> str:
    return duration(schema.join_window_s if seconds is None else seconds)


def _both(before: Iterable[str], after: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*before, *after]))
