"""A hash of each row's values, whole columns at a time: enough to tell that a row is as it was before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.embedding.hashing import hash_ids
from engine.features.ids import offsets_of

Hashes = npt.NDArray[np.uint64]

_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
_NULL: Final = np.uint64(0xD1B54A32D192ED03)
_SEED: Final = 0
"""Of strings; no slot has the number."""


def row_hashes(columns: Iterable[Any], num_rows: int) -> Hashes:
    """uint64[num_rows]: equal for rows whose values of all columns are equal, null being a value; by the odds of 64 bits, different
    for others. Columns are strings, numbers, booleans, or lists of these."""
    total = np.zeros(num_rows, np.uint64)
    for column in columns:
        total = _mixed(total * _GAMMA + _of_column(column))
    return total


def _of_column(column: Any) -> Hashes:
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), _NULL)
    if pa.types.is_nested(kind):
        return _of_lists(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        hashes = hash_ids(column.fill_null(""), _SEED) if len(column) else np.empty(0, np.uint64)
    elif pa.types.is_floating(kind):
        numbers = column.cast(pa.float64(), safe=False).fill_null(0.0).to_numpy(zero_copy_only=False)
        hashes = _mixed(np.ascontiguousarray(numbers).view(np.uint64))
    else:
        whole = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
        hashes = _mixed(whole.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64))
    return np.where(column.is_valid().to_numpy(zero_copy_only=False), hashes, _NULL)


def _of_lists(column: Any) -> Hashes:
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    ends = offsets_of(lengths)
    places = np.arange(ends[-1]) - np.repeat(ends[:-1], lengths)
    # Sums of what depends on place and value, as differences of a running sum that may wrap around.
    parts = _mixed(_of_column(column.flatten()) + places.astype(np.uint64) * _GAMMA)
    running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(parts, dtype=np.uint64)])
    hashes = _mixed(running[ends[1:]] - running[ends[:-1]] + (lengths.astype(np.uint64) + np.uint64(1)) * _GAMMA)
    return np.where(column.is_valid().to_numpy(zero_copy_only=False), hashes, _NULL)


def _mixed(words: Hashes) -> Hashes:
    """SplitMix64's finalizer, uint64 to uint64, one to one."""
    mixed = words ^ (words >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
