"""What kind of value each source gives, by a schema and a definition's features; and whether its readers can use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from engine.errors import Problem
from engine.spec.counter import user_values_of
from engine.spec.dense_input import DenseInput
from engine.spec.feature import EVENT_TIME, Bucket, Cross, Feature, Ratio, Text, Time, TimePart
from engine.spec.schema import Property, PropertyType, Schema
from engine.spec.slot import USER_COUNTER, Slot

_NUMERIC: Final = (PropertyType.INTEGER, PropertyType.FLOAT, PropertyType.BOOLEAN)
_SLICED: Final = (PropertyType.STRING, PropertyType.INTEGER, PropertyType.BOOLEAN)
_TEXTS: Final = (PropertyType.STRING, PropertyType.STRING_LIST)


class Role(StrEnum):
    """What reads a source, as far as the type matters."""

    IDS = "ids"
    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    NUMBERS = "numbers"


@dataclass(frozen=True, slots=True)
class SourceType:
    """The type of a source; `dim` is a vector's."""

    type: PropertyType
    dim: int = 1


def source_types(schema: Schema, features: Sequence[Feature] = ()) -> dict[str, SourceType]:
    """Every source that a definition over the schema may name, with its type. What several event types declare has the last one's."""
    types = {
        "user.id": SourceType(PropertyType.STRING),
        "item.id": SourceType(PropertyType.STRING),
        "user.history": SourceType(PropertyType.STRING_LIST),
        "user.history_types": SourceType(PropertyType.STRING_LIST),
        "user.history_ages_s": SourceType(PropertyType.STRING_LIST),
        **_declared("user", schema.users),
        **_declared("item", schema.items),
    }
    for declared in schema.events.values():
        types |= _declared("event", declared.properties)
    types[EVENT_TIME] = SourceType(PropertyType.TIMESTAMP)
    types |= {f"counter.{value.name}": SourceType(PropertyType.FLOAT) for value in schema.counter_values}
    types |= {
        f"{USER_COUNTER}{value.name}": SourceType(PropertyType.FLOAT) for value in user_values_of(schema.counters)
    }
    types |= {f"feature.{feature.name}": _type_of(feature) for feature in features}
    return types


def check_sources(
    schema: Schema, features: Sequence[Feature], slots: Sequence[Slot], dense: Sequence[DenseInput]
) -> list[Problem]:
    """What a definition names that the schema does not declare, or cannot use as it does."""
    types = source_types(schema, features)
    problems = []
    for index, feature in enumerate(features):
        for source in feature.inputs:
            problems += _problems(f"features.{index}", source, _role(feature), types)
    for index, slot in enumerate(slots):
        problems += _problems(f"slots.{index}.source", slot.source, Role.IDS, types)
    for index, each in enumerate(dense):
        found = _problems(f"dense.{index}.source", each.source, Role.NUMBERS, types)
        problems += found
        if not found and types[each.source].dim != each.dim:
            rule = f"must be {types[each.source].dim}, as {each.source} has it"
            problems.append(Problem(f"dense.{index}.dim", rule, str(each.dim)))
    return problems


def check_slices(schema: Schema, slices: Sequence[str]) -> list[Problem]:
    """What `training.slices` names that the schema does not declare, or that has no single word as its value."""
    types = source_types(schema)
    problems = []
    for index, source in enumerate(slices):
        field = f"training.slices.{index}"
        if source not in types:
            problems.append(Problem(field, "is not declared in the schema", repr(source)))
        elif types[source].type not in _SLICED:
            problems.append(Problem(field, "must be a string, an integer or a boolean", repr(source)))
    return problems


def _problems(field: str, source: str, role: Role, types: Mapping[str, SourceType]) -> list[Problem]:
    if source not in types:
        return [Problem(field, _why_unknown(source, types), repr(source))]
    rule = _broken_rule(types[source].type, role)
    return [] if rule is None else [Problem(field, rule, repr(source))]


def _why_unknown(source: str, types: Mapping[str, SourceType]) -> str:
    of_pair = source.removeprefix("user_")
    if source.startswith(USER_COUNTER) and of_pair in types:
        return f"counts by the item, so that it is none of the user alone; a ranking model reads it as {of_pair}"
    return "is not declared in the schema"


def _broken_rule(kind: PropertyType, role: Role) -> str | None:
    if role is Role.IDS:
        if kind is PropertyType.VECTOR:
            return "is a vector; make it a dense input"
        return "is a float; make it a dense input, or a bucket of it a slot" if kind is PropertyType.FLOAT else None
    if role is Role.TEXT:
        return None if kind in _TEXTS else "is not text"
    if role is Role.TIME:
        return None if kind is PropertyType.TIMESTAMP else "is not a timestamp"
    numeric = (*_NUMERIC, PropertyType.VECTOR) if role is Role.NUMBERS else _NUMERIC
    return None if kind in numeric else "is not a number; make it a slot"


def _role(feature: Feature) -> Role:
    match feature:
        case Cross():
            return Role.IDS
        case Text():
            return Role.TEXT
        case Time():
            return Role.TIME
        case Bucket() | Ratio():
            return Role.NUMBER
        case _:
            assert_never(feature)


def _type_of(feature: Feature) -> SourceType:
    match feature:
        case Cross() | Text():
            return SourceType(PropertyType.STRING_LIST)
        case Bucket():
            return SourceType(PropertyType.INTEGER)
        case Time():
            is_age = feature.part is TimePart.AGE_LOG_S
            return SourceType(PropertyType.FLOAT if is_age else PropertyType.INTEGER)
        case Ratio():
            return SourceType(PropertyType.FLOAT)
        case _:
            assert_never(feature)


def _declared(entity: str, properties: Mapping[str, Property]) -> dict[str, SourceType]:
    return {f"{entity}.{name}": SourceType(one.type, one.dim or 1) for name, one in properties.items()}
