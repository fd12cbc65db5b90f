"""Encoded batches to what a compiled step takes: the values of each table, and where each belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.embedding.store import table_name
from engine.features.encoded import EncodedBatch, FidArray, FloatArray, SlotValues
from engine.spec.definition import ModelDefinition, Side, Slot, side_of

IndexArray = npt.NDArray[np.int32]
StampArray = npt.NDArray[np.uint32]

_NO_STAMPS: StampArray = np.empty(0, np.uint32)


@dataclass(frozen=True, slots=True)
class Values:
    """Every value of one table in a batch, duplicates included: fids uint64[nnz], slots uint16[nnz] (slot numbers).

    `seen_at_s` uint32[nnz] says when each was seen, `NOT_SEEN` for values that are no sighting; empty in a batch that
    is only looked up.
    """

    fids: FidArray
    slots: npt.NDArray[np.uint16]
    seen_at_s: StampArray

    def __len__(self) -> int:
        return len(self.fids)


@dataclass(frozen=True, slots=True)
class Block:
    """The slots of one dim and one side: they are the table's values from `start` on, one for each of `segments`.

    Segment `s * num_rows + r` is row r of the block's slot s. int32[nnz], ascending.
    """

    start: int
    segments: IndexArray

    def of(self, members: IndexArray) -> IndexArray:
        """The block's part of an array with one element for each value of the table."""
        return members[self.start : self.start + self.segments.size]


@dataclass(frozen=True, slots=True)
class SideBatch:
    """One side's blocks by table name, its dense floats [n, num_dense], and n."""

    blocks: dict[str, Block]
    dense: FloatArray
    num_rows: int


@dataclass(frozen=True, slots=True)
class SparseBatch:
    """A user side and an item side (either may be absent), and the values of both by table name."""

    values: dict[str, Values]
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

    def sparse_batch(
        self, sides: Mapping[Side, EncodedBatch], seen_at_s: Mapping[Side, StampArray] | None = None
    ) -> SparseBatch:
        """Lay the values of each table end to end, over all sides given. `seen_at_s`: of each row of each side, to learn from it."""
        values: dict[str, Values] = {}
        blocks: dict[Side, dict[str, Block]] = {side: {} for side in sides}
        for table in self.tables:
            parts: list[Values] = []
            start = 0
            for side, batch in sides.items():
                slots = self.slots(table, side)
                stamps = None if seen_at_s is None else seen_at_s[side]
                parts += [_values(batch.slots[slot.name], self._number[slot.name], stamps) for slot in slots]
                segments = _segments([batch.slots[slot.name] for slot in slots], batch.num_rows)
                blocks[side][table] = Block(start, segments)
                start += segments.size
            values[table] = _joined(parts)
        return SparseBatch(
            values, {side: SideBatch(blocks[side], batch.dense, batch.num_rows) for side, batch in sides.items()}
        )


def _values(values: SlotValues, number: int, stamps: StampArray | None) -> Values:
    seen_at_s = _NO_STAMPS if stamps is None else np.repeat(stamps, values.lengths)
    return Values(values.fids, np.full(values.fids.size, number, np.uint16), seen_at_s)


def _joined(parts: list[Values]) -> Values:
    if not parts:
        return Values(np.empty(0, np.uint64), np.empty(0, np.uint16), _NO_STAMPS)
    return Values(
        np.concatenate([part.fids for part in parts]),
        np.concatenate([part.slots for part in parts]),
        np.concatenate([part.seen_at_s for part in parts]),
    )


def _segments(values: list[SlotValues], num_rows: int) -> IndexArray:
    if not values:
        return np.empty(0, np.int32)
    lengths = np.concatenate([value.lengths for value in values])
    return np.repeat(np.arange(len(values) * num_rows, dtype=np.int32), lengths)
