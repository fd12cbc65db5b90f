"""Layers as steps of a program, from dense weights by their stable names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np

from engine.embedding.dense_program import ActivationName, DenseProgram
from engine.features.encoded import FloatArray
from engine.features.statistics import PREFIX
from engine.models.dense_pass.columns import REGISTERS, InputColumns, Part, Value
from engine.spec.definition import Side

MAX_DEVIATIONS: Final = 10.0
"""As `engine.models.scaling`, which is what a model learns with."""


class Layers:
    """Adds steps to a program. What depends on the asker alone is computed once for all candidates, a layer's share of it too.

    Layers' names and weights are those of `engine.models.architecture.Architecture`; a weight that is not there raises KeyError.
    """

    def __init__(self, columns: InputColumns, weights: Mapping[str, FloatArray]) -> None:
        self.columns = columns
        self.program = DenseProgram(*(columns.widths[side] for side in Side))
        self.weights = weights
        self._standardise()

    def register(self, width: int, *, is_of_asker: bool) -> Value:
        return Value((self.program.add_register(width, is_of_asker=is_of_asker), 0), width, is_of_asker)

    def dense(self, name: str, parts: Sequence[Part], *, rectifies: bool = False, to: Value | None = None) -> Value:
        """The layer's kernel times the parts, plus its bias if it has one; `to` where it is to stand."""
        return self.linear(
            parts, self.weights[f"{name}/kernel"], self.weights.get(f"{name}/bias"), rectifies=rectifies, to=to
        )

    def linear(
        self,
        parts: Sequence[Part],
        kernel: FloatArray,
        bias: FloatArray | None = None,
        *,
        rectifies: bool = False,
        to: Value | None = None,
    ) -> Value:
        """Σ part · its rows of the kernel, float32[depth, units], plus the bias float32[units]."""
        units = kernel.shape[1]
        asked = [part for part in parts if part.value.is_of_asker]
        of_candidates = [part for part in parts if not part.value.is_of_asker]
        begun = None
        if asked or not of_candidates:
            is_last = not of_candidates
            target = to if is_last and to is not None else self.register(units, is_of_asker=True)
            begun = self._summed(asked, kernel, bias, target, rectifies=rectifies and is_last)
            if is_last:
                return begun
            bias = None
        target = self.register(units, is_of_asker=False) if to is None else to
        return self._summed(of_candidates, kernel, bias, target, begun, rectifies=rectifies)

    def _summed(
        self,
        parts: list[Part],
        kernel: FloatArray,
        bias: FloatArray | None,
        to: Value,
        begun: Value | None = None,
        *,
        rectifies: bool,
    ) -> Value:
        first = None if begun is None else begun.place
        if not parts:  # a layer without inputs is its bias
            nothing = np.empty((0, kernel.shape[1]), np.float32)
            self.program.linear((REGISTERS[Side.USER], 0), nothing, to.place, bias=bias, rectifies=rectifies)
        for place, part in enumerate(parts):
            is_last = place == len(parts) - 1
            self.program.linear(
                part.value.place,
                _rows_of(kernel, part),
                to.place,
                bias=bias,
                first=first,
                rectifies=rectifies and is_last,
            )
            bias, first = None, to.place
        return to

    def activate(self, kind: ActivationName, value: Value, parameters: FloatArray | None = None) -> Value:
        """The value, changed."""
        self.program.activate(kind, value.width, value.place, parameters)
        return value

    def add(self, first: Value, second: Value) -> Value:
        """Their sum, in the place of the one that is of candidates."""
        if first.is_of_asker and not second.is_of_asker:
            first, second = second, first
        self.program.combine("add", second.place, first.width, first.place)
        return first

    def multiply(self, value: Value, factors: Value) -> Value:
        """Their product in the value's place; the factors may be of the asker."""
        if value.is_of_asker and not factors.is_of_asker:
            value = self.copied([value], is_of_asker=False)
        self.program.combine("multiply", factors.place, value.width, value.place)
        return value

    def copied(self, values: Sequence[Value], *, is_of_asker: bool) -> Value:
        """Side by side in a register of their own."""
        whole = self.register(sum(value.width for value in values), is_of_asker=is_of_asker)
        column = 0
        for value in values:
            self.program.combine("copy", value.place, value.width, (whole.place[0], column))
            column += value.width
        return whole

    def gathered(self, slots: Collection[str]) -> Value:
        """(e_1 … e_S, x): the slots in the order given, then all dense inputs, for each candidate."""
        dense = [self.columns.of_dense(side) for side in Side]
        return self.copied([*self.columns.runs(slots), *(each for each in dense if each.width)], is_of_asker=False)

    def _standardise(self) -> None:
        for side in Side:
            column = self.columns.dense_column[side]
            for dense in self.columns.dense_inputs(side):
                if dense.transform.standardises:
                    means, factors = self.weights[PREFIX + dense.name]
                    self.program.standardise(means, factors, MAX_DEVIATIONS, (REGISTERS[side], column))
                column += dense.dim


def whole(*values: Value) -> list[Part]:
    """Values that stand side by side before a kernel: all its rows in order."""
    parts, row = [], 0
    for value in values:
        parts.append(Part(value, np.arange(row, row + value.width)))
        row += value.width
    return parts


def _rows_of(kernel: FloatArray, part: Part) -> FloatArray:
    """float32[width, units]: the kernel's row for each column of the part, zeros for a column that has none."""
    rows = np.zeros((part.value.width, kernel.shape[1]), np.float32)
    used = part.rows >= 0
    rows[used] = kernel[part.rows[used]]
    return rows
