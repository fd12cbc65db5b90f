"""Which columns a file of examples has, of which types, and how each becomes the type that training reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import InvalidDocument, Problem

NEEDED: Final = ("user_id", "item_id", "event_time")
PREFIXES: Final = ("user.", "item.", "event.", "label.", "counter.")
PROPERTIES: Final = ("user.", "item.", "event.")

Convert = Callable[[Any], Any]
Rule = Callable[[pa.DataType], Convert | None]
"""The conversion of a column of a type, or None when the column must not be of it."""

_INT64_LIMIT: Final = pa.scalar(2**63, pa.uint64())


def conversions(name: str, schema: pa.Schema) -> dict[str, Convert]:
    """By column those that are read, in the file's order. Raises `InvalidDocument` naming every column that is missing or of a type
    that it must not have."""
    problems = [
        Problem(needed, f"must be a column of {name}", "none") for needed in NEEDED if needed not in schema.names
    ]
    if not any(column.startswith("label.") for column in schema.names):
        problems.append(Problem("label.<event type>", f"must be a column of {name}", "none"))
    found = {}
    for field in schema:
        rule = _rule_of(field.name)
        if rule is None:
            continue
        if schema.names.count(field.name) > 1:
            problems.append(Problem(field.name, f"must be one column of {name}", "two or more"))
            continue
        wording, of = rule
        convert = of(field.type)
        if convert is None:
            problems.append(Problem(field.name, wording, str(field.type)))
        else:
            found[field.name] = convert
    if problems:
        raise InvalidDocument(name, problems)
    return found


def _rule_of(column: str) -> tuple[str, Rule] | None:
    """What a column must be, in words, and its rule; None for one that is not read."""
    if column.startswith(PROPERTIES):
        return "must be texts, numbers, booleans, times, or lists of one of these", _property
    if column.startswith(("label.", "counter.")):
        return "must be numbers or booleans", _number
    return _RULES.get(column)


def _id(kind: pa.DataType) -> Convert | None:
    if _is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
        return _text(kind)
    return None


def _text(kind: pa.DataType) -> Convert | None:
    if pa.types.is_string(kind):
        return _same
    if _is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
        return lambda column: column.cast(pa.string())
    return None


def _time(kind: pa.DataType) -> Convert | None:
    if pa.types.is_timestamp(kind):
        return _milliseconds
    if pa.types.is_date(kind):
        return lambda column: _milliseconds(column.cast(pa.timestamp("ms")))
    if pa.types.is_integer(kind):
        return lambda column: column.cast(pa.int64(), safe=False)
    return None


def _number(kind: pa.DataType) -> Convert | None:
    """NaN is no number: nothing is known."""
    if pa.types.is_boolean(kind):
        return lambda column: column.cast(pa.int8()).cast(pa.float64())
    if pa.types.is_integer(kind) or pa.types.is_null(kind) or pa.types.is_decimal(kind):
        return lambda column: column.cast(pa.float64(), safe=False)
    if pa.types.is_floating(kind):
        return lambda column: _without(column.cast(pa.float64()), np.isnan)
    return None


def _ids(kind: pa.DataType) -> Convert | None:
    if pa.types.is_null(kind):
        return lambda column: column.cast(pa.list_(pa.string()))
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return None
    return None if _id(kind.value_type) is None else lambda column: column.cast(pa.list_(pa.string()))


def _property(kind: pa.DataType) -> Convert | None:
    if pa.types.is_dictionary(kind):
        inner = _property(kind.value_type)
        return None if inner is None else lambda column: inner(column.dictionary_decode())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _same if _is_simple(kind.value_type) else None
    for matches, convert in _PROPERTY_TYPES:
        if matches(kind):
            return convert(kind)
    return _same if _is_simple(kind) or pa.types.is_null(kind) else None


_RULES: Final[dict[str, tuple[str, Rule]]] = {
    "user_id": ("must be texts or integers", _id),
    "item_id": ("must be texts or integers", _id),
    "event_time": ("must be times, or integer milliseconds since 1970", _time),
    "origin": ("must be texts: impression or action", _text),
    "example_id": ("must be texts or integers", _text),
    "weight": ("must be numbers", _number),
    "sampling_rate": ("must be numbers", _number),
    "history": ("must be lists of texts or integers", _ids),
}


_PROPERTY_TYPES: Final[tuple[tuple[Callable[[pa.DataType], bool], Rule], ...]] = (
    (pa.types.is_string_view, _text),
    (pa.types.is_uint64, lambda _: _int64),
    (pa.types.is_timestamp, _time),
    (pa.types.is_date, _time),
    (pa.types.is_decimal, _number),
    (pa.types.is_floating, lambda _: lambda column: _without(column, lambda numbers: ~np.isfinite(numbers))),
)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_simple(kind: pa.DataType) -> bool:
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return is_number or pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _same(column: Any) -> Any:
    return column


def _milliseconds(column: Any) -> Any:
    """Integer milliseconds since 1970, floored; a time without a zone is one of UTC."""
    zone = column.type.tz
    return pc.floor_temporal(column, unit="millisecond").cast(pa.timestamp("ms", zone)).cast(pa.int64())


def _int64(column: Any) -> Any:
    """What does not fit is nothing: it has no FID either."""
    fits = pc.less(column, _INT64_LIMIT)
    return pc.if_else(fits, column, pa.scalar(None, pa.uint64())).cast(pa.int64())


def _without(column: Any, is_nothing: Callable[[Any], Any]) -> Any:
    """Null in place of the numbers that are nothing."""
    numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
    nothing = is_nothing(numbers)
    return pc.if_else(pa.array(nothing), pa.scalar(None, column.type), column) if nothing.any() else column
