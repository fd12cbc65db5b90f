"""Encoded batches to what a compiled step takes: distinct FIDs per table, and where each belongs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.embedding.store import table_name
from engine.features.encoded import EncodedBatch, FidArray, FloatArray, SlotValues
from engine.spec.definition import ModelDefinition, Side, Slot, side_of

IndexArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class UniqueFids:
    """The distinct FIDs of one table in a batch, by first appearance: `fids` uint64[u], `slots` uint16[u] (slot numbers)."""

    fids: FidArray
    slots: npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Block:
    """The slots of one dim and one side: value j adds row `indices[j]` of the unique rows to segment `segments[j]`.

    Segment `s * num_rows + r` is row r of the block's slot s. Both int32[nnz]; `segments` ascends.
    """

    indices: IndexArray
    segments: IndexArray


@dataclass(frozen=True, slots=True)
class SideBatch:
    """One side's blocks by table name, its dense floats [n, num_dense], and n."""

    blocks: dict[str, Block]
    dense: FloatArray
    num_rows: int


@dataclass(frozen=True, slots=True)
class SparseBatch:
    """A user side and an item side (either may be absent) over shared unique FIDs per table name."""

    unique: dict[str, UniqueFids]
    sides: dict[Side, SideBatch]


class InputLayout:
    """Which slots stand where, as a definition says: the shape that step and predictor are compiled for."""

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        self.tables = {table_name(dim): dim for dim in definition.dims}
        self._number = {slot.name: definition.number_of(slot) for slot in definition.slots}

    def slots(self, table: str, side: Side) -> list[Slot]:
        """The slots of one table and side, in the definition's order; may be empty."""
        dim = self.tables[table]
        return [slot for slot in self.definition.slots if slot.dim == dim and side_of(slot.source) is side]

    def dense_indices(self, side: Side) -> list[int]:
        """Places of the side's dense inputs among all of the definition's."""
        return [index for index, dense in enumerate(self.definition.dense) if side_of(dense.source) is side]

    def split(self, batch: EncodedBatch) -> dict[Side, EncodedBatch]:
        """A batch of both sides as one batch for each side, of as many rows."""
        sides = {}
        for side in Side:
            names = [slot.name for slot in self.definition.slots if side_of(slot.source) is side]
            slots = {name: batch.slots[name] for name in names}
            sides[side] = EncodedBatch(slots, batch.dense[:, self.dense_indices(side)], batch.num_rows)
        return sides

    def sparse_batch(self, sides: dict[Side, EncodedBatch]) -> SparseBatch:
        """Find the distinct FIDs of each table over all sides given, and index them."""
        unique: dict[str, UniqueFids] = {}
        blocks: dict[Side, dict[str, Block]] = {side: {} for side in sides}
        for table in self.tables:
            placed = [(side, self.slots(table, side)) for side in sides]
            values = [[sides[side].slots[slot.name] for slot in slots] for side, slots in placed]
            numbers = [self._number[slot.name] for _, slots in placed for slot in slots]
            unique[table], indices = _distinct([value for each in values for value in each], numbers)
            start = 0
            for (side, _), each in zip(placed, values, strict=True):
                segments = _segments(each, sides[side].num_rows)
                blocks[side][table] = Block(indices[start : start + segments.size], segments)
                start += segments.size
        return SparseBatch(
            unique, {side: SideBatch(blocks[side], batch.dense, batch.num_rows) for side, batch in sides.items()}
        )


def _distinct(values: list[SlotValues], numbers: list[int]) -> tuple[UniqueFids, IndexArray]:
    """Distinct FIDs over several slots' values laid end to end, and the place of each value among them."""
    if not values:
        return UniqueFids(np.empty(0, np.uint64), np.empty(0, np.uint16)), np.empty(0, np.int32)
    fids = np.concatenate([value.fids for value in values])
    encoded = pa.array(fids).dictionary_encode()
    indices = encoded.indices.to_numpy().astype(np.int32, copy=False)
    distinct = encoded.dictionary.to_numpy()
    slots = np.empty(distinct.size, np.uint16)
    slots[indices] = np.repeat(np.array(numbers, np.uint16), [value.fids.size for value in values])
    return UniqueFids(distinct, slots), indices


def _segments(values: list[SlotValues], num_rows: int) -> IndexArray:
    if not values:
        return np.empty(0, np.int32)
    lengths = np.concatenate([value.lengths for value in values])
    return np.repeat(np.arange(len(values) * num_rows, dtype=np.int32), lengths)
