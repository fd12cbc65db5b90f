"""Rows used in place of rows that are not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.features.encoded import FidArray, FloatArray
from engine.models.inputs import Values


@dataclass(frozen=True, slots=True)
class StandIns:
    """By table name: `fids` uint64[n], ascending and each once, and `vectors` float32[n, dim] to be taken for what the table has."""

    tables: Mapping[str, tuple[FidArray, FloatArray]]

    def fill(self, values: Mapping[str, Values], rows: Mapping[str, FloatArray]) -> None:
        """Overwrite what was looked up: row i of `rows[table]` is of `values[table].fids[i]`."""
        for table, (fids, vectors) in self.tables.items():
            asked = values[table].fids
            places = np.minimum(np.searchsorted(fids, asked), fids.size - 1)
            found = np.flatnonzero(fids[places] == asked)
            rows[table][found] = vectors[places[found]]
