"""Encoded batches to what a compiled step takes: the values of each table, and where each belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.embedding.bag_layout import SlotGroup, lay_out
from engine.embedding.store import table_name
from engine.features.encoded import EncodedBatch, FidArray, FloatArray
from engine.spec.definition import ModelDefinition, Side, Slot
from engine.spec.slot import Pooling

IndexArray = npt.NDArray[np.int32]
SplitArray = npt.NDArray[np.int64]
StampArray = npt.NDArray[np.uint32]


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
    """A group's values in bags: bag `r * num_slots + s` is what row r has in the group's slot s.

    They are the table's values from `start` on, those of bag b from `start + splits[b]`; splits int64[num_rows * num_slots + 1]. A
    sequence has a bag for each row, whose newest value is the last.
    """

    start: int
    splits: SplitArray

    def of(self, members: IndexArray) -> IndexArray:
        """The block's part of an array with one element for each value of the table."""
        return members[self.start : self.start + int(self.splits[-1])]


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
        self._slots = {side: definition.slots_of(side) for side in Side}
        self._groups = {side: _groups(self.tables, slots) for side, slots in self._slots.items()}
        self._group_numbers = {
            (group.name, group.slots[0].name): np.array([definition.number_of(slot) for slot in group.slots], np.uint16)
            for groups in self._groups.values()
            for group in groups
        }
        self._dense_indices = {side: _dense_indices(definition, side) for side in Side}

    def groups(self, side: Side) -> list[Group]:
        """What is pooled together on one side, table by table."""
        return self._groups[side]

    def is_one_block(self, side: Side) -> bool:
        """Whether everything that the side has is one group, so that its slots stand side by side already."""
        return len(self._groups[side]) == 1 and self._groups[side][0].pooling is not Pooling.SEQUENCE

    @property
    def is_in_order(self) -> bool:
        """Whether the sides' slots, one side after the other, are in the definition's order and of one dim."""
        names = [slot.name for side in self.sides for slot in self._slots[side]]
        return len(self.tables) == 1 and names == [slot.name for slot in self.definition.slots]

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
            places = [(side, group) for side in sides for group in self._groups[side] if group.table == table]
            fids, slots, stamps, splits = lay_out(
                [
                    self._slot_group(group, sides[side], None if seen_at_s is None else seen_at_s[side])
                    for side, group in places
                ]
            )
            values[table] = Values(fids, slots, stamps)
            start = 0
            for (side, group), bounds in zip(places, splits, strict=True):
                blocks[side][group.name] = Block(start, bounds)
                start += int(bounds[-1])
        return SparseBatch(
            values, {side: SideBatch(blocks[side], batch.dense, batch.num_rows) for side, batch in sides.items()}
        )

    def stamped(self, batch: SparseBatch, seen_at_s: Mapping[Side, StampArray]) -> SparseBatch:
        """A batch that was laid out without times as `sparse_batch` lays it out with them."""
        values = {}
        for table, each in batch.values.items():
            stamps = [
                np.repeat(seen_at_s[side], np.diff(of_side.blocks[group.name].splits[:: len(group.slots)]))
                for side, of_side in batch.sides.items()
                for group in self._groups[side]
                if group.table == table
            ]
            values[table] = Values(each.fids, each.slots, np.concatenate([each.seen_at_s, *stamps]))
        return SparseBatch(values, batch.sides)

    def _slot_group(self, group: Group, batch: EncodedBatch, stamps: StampArray | None) -> SlotGroup:
        slots = [batch.slots[slot.name] for slot in group.slots]
        numbers = self._group_numbers[group.name, group.slots[0].name]
        return SlotGroup([each.fids for each in slots], [each.offsets for each in slots], numbers, stamps)


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
