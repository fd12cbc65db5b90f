"""Encoded batches to what a compiled step takes: the values of each table, and where each belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.embedding.store import table_name
from engine.features.encoded import EncodedBatch, FidArray, FloatArray, SlotValues
from engine.spec.definition import ModelDefinition, Side, Slot
from engine.spec.slot import Pooling

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
class Group:
    """Slots of one table and one side that are pooled alike, and so in one call; a sequence is a group of its own.

    `name` is that of the table for the usual pooling, the mean, which the first of a list is too: the encoder gives it alone.
    """

    name: str
    table: str
    pooling: Pooling
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A group's values: they are the table's values from `start` on, one for each of `segments`. int32[nnz], ascending.

    Segment `s * num_rows + r` is row r of the group's slot s; of a sequence, `r * max_values + p` is place p of row r, in which the
    newest value has the last place.
    """

    start: int
    segments: IndexArray

    def of(self, members: IndexArray) -> IndexArray:
        """The block's part of an array with one element for each value of the table."""
        return members[self.start : self.start + self.segments.size]


@dataclass(frozen=True, slots=True)
class SideBatch:
    """One side's blocks by the name of their group, its dense floats [n, num_dense], and n."""

    blocks: dict[str, Block]
    dense: FloatArray
    num_rows: int


@dataclass(frozen=True, slots=True)
class SparseBatch:
    """A user side, an item side and a side of pairs (each may be absent), and the values of all by table name."""

    values: dict[str, Values]
    sides: dict[Side, SideBatch]


class InputLayout:
    """Which slots stand where, as a definition says: the shape that step and predictor are compiled for."""

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        self.tables = {table_name(dim): dim for dim in definition.dims}
        self.sides: tuple[Side, ...] = (Side.USER, Side.ITEM, *((Side.PAIR,) if definition.has_pairs else ()))
        self._number = {slot.name: definition.number_of(slot) for slot in definition.slots}
        self._slots = {side: definition.slots_of(side) for side in Side}
        self._groups = {side: _groups(self.tables, slots) for side, slots in self._slots.items()}
        self._dense_indices = {side: _dense_indices(definition, side) for side in Side}

    def groups(self, side: Side) -> list[Group]:
        """What is pooled together on one side, table by table."""
        return self._groups[side]

    def dense_indices(self, side: Side) -> list[int]:
        """Places of the columns of the side's dense inputs among those of all of the definition's."""
        return self._dense_indices[side]

    def split(self, batch: EncodedBatch) -> dict[Side, EncodedBatch]:
        """A batch of all sides as one batch for each side, of as many rows."""
        return {
            side: EncodedBatch(
                {slot.name: batch.slots[slot.name] for slot in self._slots[side]},
                batch.dense[:, self._dense_indices[side]],
                batch.num_rows,
            )
            for side in self.sides
        }

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
                stamps = None if seen_at_s is None else seen_at_s[side]
                for group in self._groups[side]:
                    if group.table != table:
                        continue
                    slots = [batch.slots[slot.name] for slot in group.slots]
                    parts += [
                        _values(each, self._number[slot.name], stamps)
                        for each, slot in zip(slots, group.slots, strict=True)
                    ]
                    segments = _segments(group, slots, batch.num_rows)
                    blocks[side][group.name] = Block(start, segments)
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


def _segments(group: Group, values: list[SlotValues], num_rows: int) -> IndexArray:
    if group.pooling is Pooling.SEQUENCE:
        return _places(values[0], group.slots[0].max_values)
    lengths = np.concatenate([value.lengths for value in values])
    return np.repeat(np.arange(len(values) * num_rows, dtype=np.int32), lengths)


def _places(values: SlotValues, length: int) -> IndexArray:
    """Rows of `length` places each, the last value of a row in its last place."""
    ends = np.arange(1, values.offsets.size, dtype=np.int32) * np.int32(length)
    return np.arange(values.fids.size, dtype=np.int32) + np.repeat(ends - values.offsets[1:], values.lengths)


def _groups(tables: Mapping[str, int], slots: list[Slot]) -> list[Group]:
    groups = []
    for table, dim in tables.items():
        members = [slot for slot in slots if slot.dim == dim]
        for pooling in (Pooling.MEAN, Pooling.SUM, Pooling.SQRTN):
            alike = tuple(slot for slot in members if _pooled_as(slot) is pooling)
            if alike:
                groups.append(Group(table if pooling is Pooling.MEAN else f"{table}.{pooling}", table, pooling, alike))
        groups += [
            Group(f"{table}.sequence.{slot.name}", table, Pooling.SEQUENCE, (slot,))
            for slot in members
            if slot.pooling is Pooling.SEQUENCE
        ]
    return groups


def _pooled_as(slot: Slot) -> Pooling:
    return Pooling.MEAN if slot.pooling is Pooling.FIRST else slot.pooling


def _dense_indices(definition: ModelDefinition, side: Side) -> list[int]:
    indices: list[int] = []
    start = 0
    for dense in definition.dense:
        if definition.side_of(dense.source) is side:
            indices += range(start, start + dense.dim)
        start += dense.dim
    return indices
