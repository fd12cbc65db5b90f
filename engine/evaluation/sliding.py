"""The newest rows of a stream, in columns: what a metric over a sliding window is computed from, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Columns = dict[str, npt.NDArray[Any]]


class SlidingColumns:
    """A ring of `capacity` rows. Memory is that of the ring, whatever has passed. Not thread-safe."""

    def __init__(self, capacity: int, dtypes: Mapping[str, npt.DTypeLike]) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, received {capacity}")
        self.capacity = capacity
        self.num_pushed = 0
        self._ring: Columns = {name: np.zeros(capacity, dtype) for name, dtype in dtypes.items()}

    def __len__(self) -> int:
        return min(self.num_pushed, self.capacity)

    def push(self, **columns: npt.NDArray[Any]) -> None:
        """Append rows, oldest first; of more than `capacity` the last remain. Raises ValueError for other columns or uneven ones."""
        sizes = {name: len(column) for name, column in columns.items()}
        if sizes.keys() != self._ring.keys() or len(set(sizes.values())) != 1:
            raise ValueError(f"columns must be {', '.join(self._ring)} of equal length, received {sizes}")
        num = next(iter(sizes.values()))
        kept = min(num, self.capacity)
        places = np.arange(self.num_pushed + num - kept, self.num_pushed + num) % self.capacity
        for name, column in columns.items():
            self._ring[name][places] = column[num - kept :]
        self.num_pushed += num

    def columns(self) -> Columns:
        """Copies of the columns, oldest row first."""
        places = np.arange(self.num_pushed - len(self), self.num_pushed) % self.capacity
        return {name: column[places] for name, column in self._ring.items()}

    def to_arrow(self) -> pa.Table:
        return pa.table(self.columns())

    def take_over(self, table: pa.Table) -> bool:
        """Hold what another ring of the same columns held; False, and nothing changes, when the table has others."""
        if {name: column.dtype for name, column in self._ring.items()} != {
            field.name: field.type.to_pandas_dtype() for field in table.schema
        }:
            return False
        self.num_pushed = 0
        if table.num_rows:
            self.push(**{name: table.column(name).to_numpy() for name in self._ring})
        return True
