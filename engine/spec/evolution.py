"""What becomes of a model's trained rows when its definition changes: decided from the two documents alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from engine.errors import InvalidDocument, Problem
from engine.spec.definition import ModelDefinition
from engine.spec.slot import Slot
from engine.spec.source_types import SourceType


class Fate(StrEnum):
    """`kept`: its rows go on. `added`: it begins without rows. `removed`: its rows are dropped. `changed`: they mean something else now."""

    KEPT = "kept"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class SlotFate:
    """Of a slot with rows of its own, by its number, which is in every FID. `reason` says what has changed."""

    name: str
    number: int
    fate: Fate
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EvolutionPlan:
    """Of every slot of the new definition, in its order, and then of those that the old one alone had."""

    slots: tuple[SlotFate, ...]

    def numbers(self, fate: Fate) -> list[int]:
        return [slot.number for slot in self.slots if slot.fate is fate]

    def refuse_changes(self, new: ModelDefinition) -> None:
        """Raise `InvalidDocument`, naming each slot and what changed, when the rows of any cannot go on."""
        places = {slot.number: index for index, slot in enumerate(new.slots) if slot.shares is None}
        problems = [
            Problem(
                f"slots.{places[slot.number]}", f"{slot.reason}; give it another number, or start it anew", slot.name
            )
            for slot in self.slots
            if slot.fate is Fate.CHANGED
        ]
        if problems:
            raise InvalidDocument("model definition", problems)


Types = Mapping[str, SourceType]
"""Source -> type (`engine.spec.source_types.source_types`)."""


def plan_evolution(
    old: ModelDefinition, new: ModelDefinition, old_types: Types | None = None, new_types: Types | None = None
) -> EvolutionPlan:
    """A slot is the same when its number is. Its rows go on when its dim, its source and what the source is made of are the same.

    With the types of each definition's schema, a property that changed its type changes its slots too: the ids are others. The name, the
    pooling, the length, admission and expiry may change.
    """
    before = {slot.number: slot for slot in old.slots if slot.shares is None}
    after = {slot.number: slot for slot in new.slots if slot.shares is None}
    fates = []
    for number, slot in after.items():
        if number not in before:
            fates.append(SlotFate(slot.name, number, Fate.ADDED))
            continue
        reason = _change(old, before[number], new, slot) or _type_change(new, slot, old_types, new_types)
        fates.append(SlotFate(slot.name, number, Fate.CHANGED if reason else Fate.KEPT, reason))
    gone = [SlotFate(slot.name, number, Fate.REMOVED) for number, slot in before.items() if number not in after]
    return EvolutionPlan((*fates, *gone))


def _change(old: ModelDefinition, before: Slot, new: ModelDefinition, after: Slot) -> str:
    if before.dim != after.dim:
        return f"dim changed from {before.dim} to {after.dim}"
    if made_of(old, before.source) != made_of(new, after.source):
        if before.source == after.source:
            return f"{after.source} is made of something else"
        return f"source changed from {before.source} to {after.source}"
    return ""


def _type_change(definition: ModelDefinition, slot: Slot, old_types: Types | None, new_types: Types | None) -> str:
    if old_types is None or new_types is None:
        return ""
    for source in _raw(definition, slot.source):
        before, after = old_types.get(source), new_types.get(source)
        if before is not None and after is not None and before != after:
            return f"the type of {source} changed from {before.type} to {after.type}"
    return ""


def _raw(definition: ModelDefinition, source: str) -> list[str]:
    """What the source is made of in the end."""
    if not source.startswith("feature."):
        return [source]
    return [raw for each in definition.feature(source).inputs for raw in _raw(definition, each)]


def made_of(definition: ModelDefinition, source: str) -> Any:
    """What a source's values depend on, whatever the features on the way are called: equal for equal values."""
    if not source.startswith("feature."):
        return source
    feature = definition.feature(source)
    document = feature.model_dump(mode="json", exclude={"name"})
    inputs = set(feature.inputs)

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(each) for each in value]
        return made_of(definition, value) if isinstance(value, str) and value in inputs else value

    return {field: resolved(value) for field, value in document.items()}
