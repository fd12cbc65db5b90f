"""Columns of raw values to numbers, vectors and times, whole columns at a time. What is none of them is NaN."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.spec.values import BrokenRule, check_timestamp

Numbers = npt.NDArray[np.float64]

_RFC_3339: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)$"
_MILLISECONDS: Final = pa.timestamp("ms", "UTC")


def numbers_of(column: Any) -> Numbers:
    """float64[n]; what is no single number is NaN. Booleans are 0 and 1."""
    kind = column.type
    if pa.types.is_struct(kind):
        column, kind = column.field("number"), pa.float64()
    elif pa.types.is_dictionary(kind):
        return numbers_of(column.dictionary_decode())
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.full(len(column), np.nan)
    if column.type != pa.float64():
        column = column.cast(pa.float64(), safe=False)
    if column.null_count:
        column = column.fill_null(np.nan)
    numbers: Numbers = column.to_numpy(zero_copy_only=False)
    return numbers


def vectors_of(column: Any, dim: int) -> Numbers:
    """float64[n, dim]; a row that is no list of `dim` finite numbers is NaN as a whole."""
    kind = column.type
    vectors = np.full((len(column), dim), np.nan)
    if pa.types.is_struct(kind):
        column = column.field("vector")
    elif not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return vectors
    values = numbers_of(column.flatten())
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    fitting = np.flatnonzero(lengths == dim)
    rows = values[starts[fitting, np.newaxis] + np.arange(dim)] if values.size else np.empty((0, dim))
    whole = np.isfinite(rows).all(axis=1)
    vectors[fitting[whole]] = rows[whole]
    return vectors


def times_of(column: Any) -> Numbers:
    """float64[n]: milliseconds since 1970, from integers of the same or from RFC 3339 text with an offset, floored."""
    kind = column.type
    if pa.types.is_struct(kind):
        times = numbers_of(column)
        texts = _times_of_text(_only_string(column.field("strings")))
        return np.where(np.isnan(times), texts, times)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _times_of_text(column)
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("ms", kind.tz), safe=False).cast(pa.int64())
    return numbers_of(column)


def _times_of_text(column: Any) -> Numbers:
    try:
        if pc.all(pc.match_substring_regex(column, _RFC_3339)).as_py() is not False:
            return numbers_of(pc.cast(column, _MILLISECONDS).cast(pa.int64()))
    except pa.ArrowInvalid:
        pass
    # One malformed or finer text makes Arrow refuse the whole column: then each is judged by the rule of the schema.
    return np.array([_time_of(text) for text in column.to_pylist()], np.float64)


def _time_of(text: str | None) -> float:
    try:
        return np.nan if text is None else float(check_timestamp(text))
    except BrokenRule:
        return np.nan


def _only_string(column: Any) -> Any:
    """The one string of each list of exactly one; null for others."""
    single = pc.equal(pc.list_value_length(column), pa.scalar(1))
    return pc.list_element(pc.if_else(single, column, pa.scalar([None], column.type)), 0)
