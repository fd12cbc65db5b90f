"""Columns of raw values to FIDs and dense floats: the one encoder of training and of serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.embedding.hashing import hash_ids
from engine.features.encoded import EncodedBatch, FloatArray, SlotValues
from engine.spec.definition import DenseInput, DenseTransform, ModelDefinition, Side, Slot

_TWO_63: Final = float(2**63)


class FeatureEncoder:
    """Turns columns into an `EncodedBatch` as a model definition says.

    What is hashed: strings as strings, integers as integers, booleans as the integers 0 and 1, timestamps as the value the schema's
    validation stored (RFC 3339 text or integer milliseconds). A float that is a whole number is that integer. Null, the empty string,
    NaN, fractions and objects have no FID: the pooled embedding of a row without FIDs is zero. A slot that `shares` hashes with its
    owner's number. Of a list, the last `max_values` usable values count, repeats included. Dense: missing, NaN and infinite are 0.0.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        self._numbers = {slot.name: definition.number_of(slot) for slot in definition.slots}
        self._slots = {side: definition.slots_of(side) for side in Side} | {None: definition.slots}
        self._dense = {side: definition.dense_of(side) for side in Side} | {None: definition.dense}
        self.has_pairs = definition.has_pairs

    def slots(self, side: Side | None = None) -> list[Slot]:
        """The definition's slots of one side, or all, in its order."""
        return list(self._slots[side])

    def dense(self, side: Side | None = None) -> list[DenseInput]:
        """The definition's dense inputs of one side, or all, in its order."""
        return list(self._dense[side])

    def sources(self, side: Side | None = None) -> list[str]:
        """Every source that `encode` reads for the side, each once, in the definition's order."""
        sources = [slot.source for slot in self.slots(side)] + [dense.source for dense in self.dense(side)]
        return list(dict.fromkeys(sources))

    def encode(self, columns: Mapping[str, pa.Array[Any]], num_rows: int, side: Side | None = None) -> EncodedBatch:
        """Encode `num_rows` rows. A source absent from `columns` is missing in every row. Raises ValueError on another length."""
        for source, column in columns.items():
            if len(column) != num_rows:
                raise ValueError(f"columns.{source}: must have {num_rows} rows, received {len(column)}")
        slots = {slot.name: self._encode_slot(slot, columns.get(slot.source), num_rows) for slot in self.slots(side)}
        inputs = self.dense(side)
        dense = np.zeros((num_rows, len(inputs)), np.float32)
        for index, each in enumerate(inputs):
            if each.source in columns:
                dense[:, index] = _dense_values(columns[each.source], each.transform)
        return EncodedBatch(slots, dense, num_rows)

    def _encode_slot(self, slot: Slot, column: Any, num_rows: int) -> SlotValues:
        if column is None:
            return SlotValues(np.empty(0, np.uint64), np.zeros(num_rows + 1, np.int32))
        number = self._numbers[slot.name]
        if pa.types.is_struct(column.type):
            parts = [_hash_list(column.field(name), number, slot.max_values) for name in ("integers", "strings")]
            return _interleave(parts[0], parts[1], slot.max_values)
        if pa.types.is_list(column.type):
            return _hash_list(column, number, slot.max_values)
        values, usable = _hashable(column)
        return SlotValues(_hash(values, number), _offsets(usable.astype(np.int32)))


def _hash(values: pa.Array[Any], number: int) -> npt.NDArray[np.uint64]:
    return hash_ids(values, number) if len(values) else np.empty(0, np.uint64)


def _offsets(lengths: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    offsets = np.zeros(lengths.size + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _hashable(column: Any) -> tuple[Any, npt.NDArray[np.bool_]]:
    """The usable values of a flat column as int64 or string without nulls, and which rows had one."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        usable: Any = pc.fill_null(pc.greater(pc.binary_length(column), pa.scalar(0)), False)
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        column = column.cast(pa.int64())
        usable = column.is_valid()
    elif pa.types.is_floating(kind):
        numbers = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        whole = np.isfinite(numbers) & (np.floor(numbers) == numbers) & (numbers >= -_TWO_63) & (numbers < _TWO_63)
        return pa.array(numbers[whole].astype(np.int64)), whole
    else:
        return pa.array([], pa.int64()), np.zeros(len(column), np.bool_)
    mask = usable.to_numpy(zero_copy_only=False)
    return (column if mask.all() else column.filter(usable)), mask


def _hash_list(column: Any, number: int, max_values: int) -> SlotValues:
    """Hash a list column: unusable values left out first, then the last `max_values` of each row kept."""
    num_rows = len(column)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int32)
    values, usable = _hashable(column.flatten())
    rows = np.repeat(np.arange(num_rows), lengths)[usable]
    lengths = np.bincount(rows, minlength=num_rows).astype(np.int32)
    offsets = _offsets(lengths)
    if lengths.size and lengths.max() > max_values:
        kept = np.arange(rows.size) >= offsets[1:][rows] - max_values
        values = values.filter(pa.array(kept))
        offsets = _offsets(np.minimum(lengths, np.int32(max_values)))
    return SlotValues(_hash(values, number), offsets)


def _interleave(first: SlotValues, second: SlotValues, max_values: int) -> SlotValues:
    """Row by row, `first`'s values before `second`'s, the last `max_values` kept."""
    num_rows = first.offsets.size - 1
    rows = np.concatenate([np.repeat(np.arange(num_rows), part.lengths) for part in (first, second)])
    order = np.argsort(rows, kind="stable")
    fids, rows = np.concatenate([first.fids, second.fids])[order], rows[order]
    lengths = first.lengths + second.lengths
    kept = np.arange(rows.size) >= _offsets(lengths)[1:][rows] - max_values
    return SlotValues(fids[kept], _offsets(np.minimum(lengths, np.int32(max_values))))


def _dense_values(column: Any, transform: DenseTransform) -> FloatArray:
    numbers = _numbers_of(column)
    if transform is DenseTransform.LOG1P:
        numbers = np.sign(numbers) * np.log1p(np.abs(numbers))
    with np.errstate(over="ignore"):
        floats: FloatArray = numbers.astype(np.float32)
    floats[~np.isfinite(floats)] = 0.0
    return floats


def _numbers_of(column: Any) -> npt.NDArray[np.float64]:
    """A column as float64[n]; what is no single number is NaN."""
    kind = column.type
    if pa.types.is_struct(kind):
        column, kind = column.field("number"), pa.float64()
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.full(len(column), np.nan)
    numbers: npt.NDArray[np.float64] = (
        column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
    )
    return numbers
