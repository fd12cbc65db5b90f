"""Columns of raw values to the hashes of what in them is an id: the first half of encoding, whole columns at a time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.embedding.hashing import hash_ids
from engine.features.encoded import FidArray, OffsetArray, SlotValues

_TWO_63: Final = float(2**63)


def ids_of(column: Any, number: int, max_values: int, *, keep_first: bool = False) -> SlotValues:
    """The hashes of a column's usable values with one slot number, at most `max_values` of each row: the last, or the first.

    Usable: strings that are not empty, integers, booleans (as 0 and 1), and floats that are whole numbers within 64 bits (as that
    integer). What else there is, null included, has no id.
    """
    kind = column.type
    if pa.types.is_struct(kind):
        parts = [
            ids_of(column.field(name), number, max_values, keep_first=keep_first) for name in ("integers", "strings")
        ]
        return _interleave(parts[0], parts[1], max_values, keep_first)
    if pa.types.is_dictionary(kind):
        return _hash_dictionary(column, number)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _hash_list(column, number, max_values, keep_first)
    fids, usable = _hashed(column, number)
    if usable is None:
        return SlotValues(fids, np.arange(len(column) + 1, dtype=np.int32))
    return SlotValues(fids, offsets_of(usable))


def offsets_of(lengths: npt.NDArray[Any]) -> OffsetArray:
    """int32[n + 1] from the lengths of n rows."""
    offsets = np.zeros(lengths.size + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def nothing(num_rows: int) -> SlotValues:
    """Rows without an id."""
    return SlotValues(np.empty(0, np.uint64), np.zeros(num_rows + 1, np.int32))


def _hashed(column: Any, number: int) -> tuple[FidArray, npt.NDArray[np.bool_] | None]:
    """The hashes of the usable values of a flat column, and which values these are; None for all of them."""
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        usable = _lengths_of_strings(column) > 0
        if column.null_count:
            usable &= _validity(column)
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        usable = _validity(column) if column.null_count else np.ones(len(column), np.bool_)
    elif pa.types.is_floating(kind):
        numbers = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        usable = np.isfinite(numbers) & (np.floor(numbers) == numbers) & (numbers >= -_TWO_63) & (numbers < _TWO_63)
        return _hash(pa.array(numbers[usable].astype(np.int64)), number), usable
    else:
        return np.empty(0, np.uint64), np.zeros(len(column), np.bool_)
    # To hash what is then thrown away costs less than to copy the rest together first.
    fids = _hash(column, number)
    return (fids, None) if usable.all() else (fids[usable], usable)


def _hash(values: pa.Array[Any], number: int) -> FidArray:
    return hash_ids(values, number) if len(values) else np.empty(0, np.uint64)


def _lengths_of_strings(column: Any) -> npt.NDArray[Any]:
    """Bytes of each string, straight from the offsets: a compute call costs as much as hashing a thousand ids."""
    width = np.int32 if pa.types.is_string(column.type) else np.int64
    buffer = column.buffers()[1]
    if buffer is None or len(column) == 0:
        return np.zeros(len(column), width)
    offsets = np.frombuffer(buffer, width)[column.offset : column.offset + len(column) + 1]
    return np.diff(offsets)


def _validity(column: Any) -> npt.NDArray[np.bool_]:
    valid: npt.NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _hash_dictionary(column: Any, number: int) -> SlotValues:
    """Each distinct value is hashed once."""
    values = ids_of(column.dictionary, number, 1)
    fid_of = np.zeros(len(column.dictionary), np.uint64)
    usable = values.lengths > 0
    fid_of[usable] = values.fids
    indices = column.indices
    if indices.null_count:
        present = _validity(indices)
        places = indices.fill_null(0).to_numpy(zero_copy_only=False)
    else:
        present, places = np.ones(len(indices), np.bool_), indices.to_numpy(zero_copy_only=False)
    if not len(fid_of):
        return nothing(len(column))
    present &= usable[places]
    return SlotValues(fid_of[places[present]], offsets_of(present))


def _hash_list(column: Any, number: int, max_values: int, keep_first: bool) -> SlotValues:
    """Hash a list column: unusable values left out first, then `max_values` of each row kept."""
    num_rows = len(column)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int32)
    fids, usable = _hashed(column.flatten(), number)
    if usable is not None:
        lengths = np.bincount(np.repeat(np.arange(num_rows), lengths)[usable], minlength=num_rows).astype(np.int32)
    offsets = offsets_of(lengths)
    if lengths.size and lengths.max() > max_values:
        fids = fids[_kept(offsets, lengths, max_values, keep_first)]
        offsets = offsets_of(np.minimum(lengths, np.int32(max_values)))
    return SlotValues(fids, offsets)


def _kept(offsets: OffsetArray, lengths: OffsetArray, max_values: int, keep_first: bool) -> npt.NDArray[np.bool_]:
    """bool[nnz]: which values are among the first, or the last, `max_values` of their row."""
    places = np.arange(offsets[-1])
    if keep_first:
        kept: npt.NDArray[np.bool_] = places < np.repeat(offsets[:-1] + max_values, lengths)
    else:
        kept = places >= np.repeat(offsets[1:] - max_values, lengths)
    return kept


def _interleave(first: SlotValues, second: SlotValues, max_values: int, keep_first: bool) -> SlotValues:
    """Row by row, `first`'s values before `second`'s, `max_values` kept."""
    num_rows = first.offsets.size - 1
    rows = np.concatenate([np.repeat(np.arange(num_rows), part.lengths) for part in (first, second)])
    order = np.argsort(rows, kind="stable")
    fids = np.concatenate([first.fids, second.fids])[order]
    lengths = first.lengths + second.lengths
    kept = _kept(offsets_of(lengths), lengths, max_values, keep_first)
    return SlotValues(fids[kept], offsets_of(np.minimum(lengths, np.int32(max_values))))
