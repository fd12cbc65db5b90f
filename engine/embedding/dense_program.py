"""The dense part of a model as a program of the C++ core, and the records that it reads its inputs from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

import engine_cc
from engine.embedding.pooling import Pooling
from engine.embedding.rows import Floats
from engine.embedding.serving_table import ServingTable

Place = tuple[int, int]
"""Columns of a register, from one on: (register, column)."""

ASKER: Final = 0
CANDIDATES: Final = 1
PAIRS: Final = 2
"""The registers of the inputs."""

ActivationName = Literal["sigmoid", "gate", "tanh", "softmax", "prelu", "dice"]
"""`gate` is twice the sigmoid. `prelu` takes a parameter for each column, `dice` three: slopes, then means, then inverse deviations."""


class RecordPooling:
    """Where a record's inputs go: slot i's values are looked up in table `tables[i]`, pooled, and written from column `columns[i]` on; the
    dense inputs from `dense_column` on. Records as `engine.features.records` packs them."""

    def __init__(
        self,
        tables: Sequence[int],
        poolings: Sequence[Pooling],
        columns: Sequence[int],
        *,
        num_dense: int,
        dense_column: int,
    ) -> None:
        """Raises ValueError for `FIRST_N`, and for tables that are not in ascending order."""
        slots = [
            (table, pooling.value, column) for table, pooling, column in zip(tables, poolings, columns, strict=True)
        ]
        self.core = engine_cc.RecordPooling(slots, num_dense, dense_column)


@dataclass(frozen=True, slots=True)
class PooledRecords:
    """Rows of one input: row i's record begins at word `starts[i]`, int64[n], of `words`, uint64[...]."""

    pooling: RecordPooling
    words: NDArray[np.uint64]
    starts: NDArray[np.int64]

    @property
    def parts(self) -> tuple[engine_cc.RecordPooling, NDArray[np.uint64], NDArray[np.int64]]:
        return self.pooling.core, self.words, self.starts


class DenseProgram:
    """Steps over registers of floats, which have one line for the asker or one for each candidate (freshet/dense_program.h).

    Added from one thread, run from any number. A step that does not fit raises ValueError; what no step has written is of any content.
    """

    def __init__(self, asker_width: int, candidate_width: int, pair_width: int) -> None:
        """Widths of the inputs `ASKER`, `CANDIDATES` and `PAIRS`; a model may lack any of them: 0."""
        self._core = engine_cc.DenseProgram(asker_width, candidate_width, pair_width)

    @property
    def memory_bytes(self) -> int:
        return self._core.memory_bytes()

    def add_register(self, width: int, *, is_of_asker: bool) -> int:
        """A further register's number."""
        return self._core.add_register(width, is_of_asker)

    def linear(
        self,
        source: Place,
        weights: Floats,
        to: Place,
        *,
        bias: Floats | None = None,
        first: Place | None = None,
        rectifies: bool = False,
    ) -> None:
        """to = source · weights + bias or + first, negative results 0 if `rectifies`; weights float32[depth, width], copied."""
        self._core.add_linear(source, weights, bias, first, rectifies, to)

    def standardise(self, means: Floats, factors: Floats, limit: float, to: Place) -> None:
        """Columns of `to` <- (x - mean) · factor within ±limit, NaN becoming 0."""
        self._core.add_standardise(means, factors, limit, to)

    def activate(self, kind: ActivationName, width: int, to: Place, parameters: Floats | None = None) -> None:
        """`width` columns of `to` <- their activation."""
        self._core.add_activation(kind, width, parameters, to)

    def sums(self, fields: Sequence[Place], dim: int, to: Place) -> None:
        """The sum of the fields in `dim` columns, and that of their squares in the next `dim`."""
        self._core.add_sums(fields, dim, to)

    def pairs(self, sums: Sequence[Place], dim: int, to: Place, *, is_summed: bool) -> None:
        """½ [(Σ s)² - Σ q] of what `sums` made, in `dim` columns, or their sum in one."""
        self._core.add_pairs(sums, dim, is_summed, to)

    def combine(self, kind: Literal["copy", "add", "multiply"], source: Place, width: int, to: Place) -> None:
        """to = source, to += source, or to *= source."""
        self._core.add_combination(kind, source, width, to)

    def mix(self, weights: Place, parts: Sequence[Place], width: int, to: Place) -> None:
        """to = Σ_i weights[i] · parts[i]."""
        self._core.add_mixture(weights, parts, width, to)

    def scale(self, weights: Place, widths: Sequence[int], to: Place) -> None:
        """The fields of `widths` columns that stand side by side from `to` on, field i times column i of `weights`."""
        self._core.add_scaling(weights, widths, to)

    def dots(self, vectors: Sequence[Place], dim: int, to: Place) -> None:
        """The dot product of every two vectors, in the order (0,1), (0,2), …, (1,2), …"""
        self._core.add_dots(vectors, dim, to)

    def run(self, asker: Floats, candidates: Floats, pairs: Floats, result: Place, num_columns: int) -> Floats:
        """float32[n, num_columns] of inputs float32[1, …], [n, …] and [n, …]. Without the interpreter's lock."""
        return self._core.run(asker, candidates, pairs, result, num_columns)

    def run_records(  # noqa: PLR0917 - the tables, the inputs in their order, what is wanted
        self,
        tables: Sequence[ServingTable],
        asker: PooledRecords,
        candidates: PooledRecords,
        pairs: PooledRecords | None,
        result: Place,
        num_columns: int,
    ) -> Floats:
        """The same of records, looked up and pooled on the way, in one call without the interpreter's lock."""
        cores = [table.core for table in tables]
        both = None if pairs is None else pairs.parts
        return self._core.run_records(cores, asker.parts, candidates.parts, both, result, num_columns)
