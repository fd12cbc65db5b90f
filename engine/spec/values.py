"""Single values of events and properties: each check answers the value as it is stored, or raises `BrokenRule`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.spec.schema import Property, PropertyType

MAX_ID_LENGTH = 256

Check = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_YEAR_1_MS = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_YEAR_9999_MS = (datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class BrokenRule(Exception):
    """A value that breaks its rule; the rule is the message."""


def check_id(value: Any) -> str:
    """An id: text of 1 to 256 characters without control characters."""
    if type(value) is not str:
        raise BrokenRule("must be a string")
    if not 0 < len(value) <= MAX_ID_LENGTH:
        raise BrokenRule(f"must have 1 to {MAX_ID_LENGTH} characters")
    # isprintable is one fast call that is true of nearly every id; what it doubts is looked at closely.
    if not value.isprintable():
        if _CONTROL.search(value):
            raise BrokenRule("must not contain control characters")
        _check_storable(value)
    return value


def check_timestamp(value: Any) -> int:
    """Integer milliseconds since the epoch, UTC, from the same or from RFC 3339 text with an offset (floored)."""
    if type(value) is int:
        if not _YEAR_1_MS <= value <= _YEAR_9999_MS:
            raise BrokenRule("must be milliseconds since the epoch, in the years 1 to 9999")
        return value
    if type(value) is str and _RFC_3339.fullmatch(value):
        try:
            return (datetime.fromisoformat(value.upper()) - _EPOCH) // _MILLISECOND
        except (ValueError, OverflowError) as error:
            raise BrokenRule(f"is not a time that exists: {error}") from None
    raise BrokenRule("must be RFC 3339 text with an offset, as 2026-01-31T12:00:00Z, or integer milliseconds")


def check_text(value: Any) -> str:
    """Any text, the empty one too."""
    if type(value) is not str:
        raise BrokenRule("must be a string")
    return value


def check_milliseconds(value: Any) -> int:
    """Integer milliseconds since the epoch, UTC, in the years 1 to 9999."""
    if type(value) is not int or not _YEAR_1_MS <= value <= _YEAR_9999_MS:
        raise BrokenRule("must be integer milliseconds since the epoch, in the years 1 to 9999")
    return value


def check_object(value: Any) -> dict[str, Any]:
    """A JSON object."""
    if type(value) is not dict:
        raise BrokenRule("must be an object")
    return value


def check_integer(value: Any) -> int:
    """A 64-bit signed integer; a boolean is not one."""
    if type(value) is not int:
        raise BrokenRule("must be an integer")
    if not -(2**63) <= value < 2**63:
        raise BrokenRule("must fit in 64 bits")
    return value


def check_float(value: Any) -> float:
    """A finite number; integers become floats, booleans are refused."""
    if type(value) is not float:
        if type(value) is not int:
            raise BrokenRule("must be a number")
        try:
            return float(value)
        except OverflowError:
            raise BrokenRule("must be a finite number") from None
    if not math.isfinite(value):
        raise BrokenRule("must be a finite number")
    return value


def check_boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise BrokenRule("must be true or false")
    return value


def property_check(declared: Property) -> Check:
    """The check of one declared property's value; null is the caller's concern."""
    if declared.type is PropertyType.STRING:
        return _string_check(declared.max_length)
    if declared.type is PropertyType.STRING_LIST:
        return _string_list_check(declared.max_length, declared.max_values)
    if declared.type is PropertyType.VECTOR:
        return _vector_check(declared.dim or 0)
    return _SCALAR_CHECKS[declared.type]


_SCALAR_CHECKS: dict[PropertyType, Check] = {
    PropertyType.INTEGER: check_integer,
    PropertyType.FLOAT: check_float,
    PropertyType.BOOLEAN: check_boolean,
    PropertyType.TIMESTAMP: check_timestamp,
}


def _string_check(max_length: int) -> Check:
    def check(value: Any) -> str:
        if type(value) is not str:
            raise BrokenRule("must be a string")
        if len(value) > max_length:
            raise BrokenRule(f"must have at most {max_length} characters")
        if not value.isprintable():
            _check_storable(value)
        return value

    return check


def _string_list_check(max_length: int, max_values: int) -> Check:
    check_one = _string_check(max_length)

    def check(value: Any) -> list[str]:
        if type(value) is not list and type(value) is not tuple:
            raise BrokenRule("must be a list of strings")
        if len(value) > max_values:
            raise BrokenRule(f"must have at most {max_values} values")
        checked = []
        for index, one in enumerate(value):
            try:
                checked.append(check_one(one))
            except BrokenRule as broken:
                raise BrokenRule(f"value {index} {broken}") from None
        return checked

    return check


def _vector_check(dim: int) -> Check:
    def check(value: Any) -> list[float]:
        if type(value) is not list and type(value) is not tuple:
            raise BrokenRule("must be a list of numbers")
        if len(value) != dim:
            raise BrokenRule(f"must have {dim} numbers, received {len(value)}")
        checked = []
        for index, one in enumerate(value):
            try:
                checked.append(check_float(one))
            except BrokenRule as broken:
                raise BrokenRule(f"value {index} {broken}") from None
        return checked

    return check


def _check_storable(value: str) -> None:
    # PostgreSQL's jsonb has no NUL, and a lone surrogate has no UTF-8.
    if _UNSTORABLE.search(value):
        raise BrokenRule("must be valid Unicode text without NUL")
