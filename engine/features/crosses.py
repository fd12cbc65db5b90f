"""Crosses: every combination of one value of each of several columns, as ids of their own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.features.arrow_arrays import buffer_of, list_array
from engine.features.encoded import SlotValues
from engine.features.ids import ids_of, offsets_of

MAX_COMBINATIONS: Final = 1024
"""Of one row, the first so many: as many as a slot can take."""

_VALUE_NUMBER: Final = 0
"""The slot number that the values to combine are hashed with; no slot has it."""


def cross(columns: Sequence[Any]) -> Any:
    """A column of lists: each combination is a string of 8 bytes a source, the little-endian hashes of its values in their order.

    The last source's values change fastest. A row in which a source has no usable value has no combination.
    """
    parts = [ids_of(column, _VALUE_NUMBER, MAX_COMBINATIONS) for column in columns]
    lengths = np.stack([part.lengths for part in parts]).astype(np.int64)
    counts = np.minimum(lengths.prod(axis=0), MAX_COMBINATIONS)
    offsets = offsets_of(counts)
    rows = np.repeat(np.arange(counts.size), counts)
    rest = np.arange(rows.size) - offsets[:-1][rows]
    hashes = np.empty((rows.size, len(parts)), "<u8")
    for place in range(len(parts) - 1, -1, -1):
        rest, chosen = np.divmod(rest, lengths[place][rows])
        hashes[:, place] = _values_at(parts[place], rows, chosen)
    return list_array(offsets, _strings(hashes))


def _values_at(part: SlotValues, rows: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    values: npt.NDArray[np.uint64] = part.fids[part.offsets[:-1][rows] + chosen]
    return values


def _strings(hashes: npt.NDArray[np.uint64]) -> Any:
    """The rows of a matrix of hashes as strings of bytes. They are no UTF-8, and nothing but hashing looks at them."""
    width = hashes.shape[1] * 8
    size = hashes.shape[0] * width
    is_large = size > np.iinfo(np.int32).max
    offsets = np.arange(0, size + 1, width, dtype=np.int64 if is_large else np.int32)
    buffers: list[Any] = [None, buffer_of(offsets), buffer_of(hashes)]
    return pa.Array.from_buffers(pa.large_string() if is_large else pa.string(), hashes.shape[0], buffers)


assert sys.byteorder == "little", "the hashes of Arrow's buffers are little-endian"
