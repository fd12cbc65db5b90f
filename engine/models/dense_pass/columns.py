"""Where each input stands: in the registers of a program, and among the columns that a model's kernels are made for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.embedding.dense_program import ASKER, CANDIDATES, PAIRS, Place
from engine.spec.definition import DenseInput, ModelDefinition, Side, Slot

Columns = npt.NDArray[np.int64]

REGISTERS: Final = {Side.USER: ASKER, Side.ITEM: CANDIDATES, Side.PAIR: PAIRS}


@dataclass(frozen=True, slots=True)
class Value:
    """`width` columns of a register from `place` on, of the asker or of each candidate."""

    place: Place
    width: int
    is_of_asker: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A value, and which row of a kernel each of its columns is multiplied by; -1 for none."""

    value: Value
    rows: Columns


class InputColumns:
    """A side's register has the side's slots side by side in the definition's order, then its dense inputs.

    What architectures compute with, (e_1 … e_S, x), has all slots in the definition's order, then the dense inputs of the user, of the item
    and of the pair: `parts` says which columns of it a register has.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        self.slots: dict[str, Slot] = {slot.name: slot for slot in definition.slots}
        self.widths = dict.fromkeys(Side, 0)
        self.side_of = {slot.name: definition.side_of(slot.source) for slot in definition.slots}
        self._column: dict[str, int] = {}
        for slot in definition.slots:
            side = self.side_of[slot.name]
            self._column[slot.name] = self.widths[side]
            self.widths[side] += slot.dim
        self.dense_column = dict(self.widths)
        for side in Side:
            self.widths[side] += definition.num_dense(side)

    def column(self, slot: str) -> int:
        """The slot's first column in its side's register."""
        return self._column[slot]

    def of_slot(self, slot: str) -> Value:
        side = self.side_of[slot]
        return Value((REGISTERS[side], self._column[slot]), self.slots[slot].dim, side is Side.USER)

    def of_dense(self, side: Side) -> Value:
        """All of the side's dense inputs."""
        place = (REGISTERS[side], self.dense_column[side])
        return Value(place, self.definition.num_dense(side), side is Side.USER)

    def dense_inputs(self, side: Side) -> list[DenseInput]:
        return self.definition.dense_of(side)

    def parts(self, slots: Collection[str], *, with_dense: bool) -> list[Part]:
        """The registers as inputs of a kernel whose rows are those slots' columns, in the order given, then the dense inputs'."""
        rows = {side: np.full(width, -1, np.int64) for side, width in self.widths.items()}
        next_row = 0
        for name in slots:
            side, column, dim = self.side_of[name], self._column[name], self.slots[name].dim
            rows[side][column : column + dim] = np.arange(next_row, next_row + dim)
            next_row += dim
        for side in Side if with_dense else ():
            start, num = self.dense_column[side], self.definition.num_dense(side)
            rows[side][start : start + num] = np.arange(next_row, next_row + num)
            next_row += num
        return [
            Part(Value((REGISTERS[side], 0), self.widths[side], side is Side.USER), mine)
            for side, mine in rows.items()
            if (mine >= 0).any()
        ]

    def runs(self, slots: Collection[str]) -> list[Value]:
        """The slots' values, those that stand side by side in a register as one."""
        found: list[Value] = []
        for value in map(self.of_slot, slots):
            if found and next_to(found[-1], value):
                found[-1] = replace(found[-1], width=found[-1].width + value.width)
            else:
                found.append(value)
        return found


def next_to(value: Value, other: Value) -> bool:
    """Whether the second begins where the first ends."""
    return value.place[0] == other.place[0] and value.place[1] + value.width == other.place[1]
