"""Properties of many rows at once, one pass in C over each property's values where that settles it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.spec.schema import Property, PropertyType
from engine.spec.values import BrokenRule, Check, check_timestamp, property_check


class Doubtful(Exception):
    """Something in the block may be wrong; the rows are judged one by one, which says what and where."""


StoredAsIs = Callable[[Sequence[Any]], bool]
"""True when every value is good and is stored as it came; False when each has to be looked at."""


class PropertyColumns:
    """The properties of one event type. Agrees with `engine.spec.validation.PropertyValidator`, which it never overrules."""

    def __init__(self, declared: Mapping[str, Property]) -> None:
        self._checks: dict[str, Check] = {name: property_check(one) for name, one in declared.items()}
        self._as_is: dict[str, StoredAsIs] = {name: _as_is(one) for name, one in declared.items()}
        self._required = frozenset(name for name, one in declared.items() if one.required)

    def collect(self, properties: list[Any]) -> list[dict[str, Any]]:
        """As they are stored, in order. Raises `Doubtful`, `BrokenRule`. What was given is never changed."""
        if set(map(type, properties)) != {dict}:
            raise Doubtful
        shapes = set(map(tuple, properties))
        names = set().union(*shapes)
        if not names <= self._checks.keys() or not all(self._required.issubset(shape) for shape in shapes):
            raise Doubtful
        stored: list[dict[str, Any]] = properties
        for name in names:
            holders = stored if len(shapes) == 1 else [one for one in stored if name in one]
            if self._as_is[name]([one[name] for one in holders]):
                continue
            if stored is properties:
                stored = list(map(dict, properties))
            self._rewrite(name, stored)
        return stored

    def _rewrite(self, name: str, stored: list[dict[str, Any]]) -> None:
        check, is_required = self._checks[name], name in self._required
        for one in stored:
            if name not in one:
                continue
            value = one[name]
            if value is not None:
                one[name] = check(value)
            elif is_required:
                raise Doubtful
            else:
                del one[name]


def _as_is(declared: Property) -> StoredAsIs:
    if declared.type is PropertyType.STRING:
        return _short_texts(declared.max_length)
    return _AS_IS.get(declared.type, _never)


def _short_texts(max_length: int) -> StoredAsIs:
    def are_stored_as_is(values: Sequence[Any]) -> bool:
        return (
            set(map(type, values)) == {str}
            and max(map(len, values)) <= max_length
            and all(map(str.isprintable, values))
        )

    return are_stored_as_is


def _integers(values: Sequence[Any]) -> bool:
    return set(map(type, values)) == {int} and min(values) >= -(2**63) and max(values) < 2**63


def _floats(values: Sequence[Any]) -> bool:
    return set(map(type, values)) == {float} and all(map(math.isfinite, values))


def _booleans(values: Sequence[Any]) -> bool:
    return set(map(type, values)) == {bool}


def _times(values: Sequence[Any]) -> bool:
    if set(map(type, values)) != {int}:
        return False
    try:
        return check_timestamp(min(values)) <= check_timestamp(max(values))
    except BrokenRule:
        return False


def _never(values: Sequence[Any]) -> bool:  # noqa: ARG001
    return False


_AS_IS: dict[PropertyType, StoredAsIs] = {
    PropertyType.INTEGER: _integers,
    PropertyType.FLOAT: _floats,
    PropertyType.BOOLEAN: _booleans,
    PropertyType.TIMESTAMP: _times,
}
