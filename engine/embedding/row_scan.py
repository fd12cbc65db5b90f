"""Many vectors in a byte a number beside the same in floats: their products with one vector, for a quarter of the memory that floats take
to read, and how wrong they may be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import engine_cc
from engine.embedding.rows import Floats


def whole_blocks(num_rows: int) -> int:
    """The next number of rows that a scan can have."""
    return -(-num_rows // engine_cc.SCAN_BLOCK_ROWS) * engine_cc.SCAN_BLOCK_ROWS


class RowScan(NamedTuple):
    """`packed` int8 as `engine_cc/include/freshet/row_scan.h` lays it out, `scales` float32[n], n of whole blocks: a row's numbers are
    off by half its scale at most. `write` from one thread; `products` beside it may meet a row between its old and its new numbers."""

    packed: NDArray[np.int8]
    scales: Floats

    @classmethod
    def zeros(cls, num_rows: int, dim: int) -> RowScan:
        num_bytes = num_rows // engine_cc.SCAN_BLOCK_ROWS * engine_cc.scan_block_bytes(dim)
        return cls(np.zeros(num_bytes, np.int8), np.zeros(num_rows, np.float32))

    @property
    def memory_bytes(self) -> int:
        return self.packed.nbytes + self.scales.nbytes

    def grown(self, num_rows: int, dim: int) -> RowScan:
        """A copy with more rows."""
        more = RowScan.zeros(num_rows, dim)
        more.packed[: self.packed.size] = self.packed
        more.scales[: self.scales.size] = self.scales
        return more

    def write(self, rows: NDArray[np.int32], vectors: Floats) -> None:
        """float32[m, dim], finite, into rows int32[m]."""
        engine_cc.write_scan_rows(
            np.ascontiguousarray(rows, np.int32), np.ascontiguousarray(vectors), self.packed, self.scales
        )

    def products(self, user: Floats, num_rows: int) -> tuple[Floats, float]:
        """float32[num_rows] of the first rows with `user` float32[dim], finite, and how far any is off at most."""
        num_blocks = whole_blocks(num_rows) // engine_cc.SCAN_BLOCK_ROWS
        products, error = engine_cc.scan_products(self.packed, self.scales, user, num_blocks)
        largest = float(self.scales[:num_rows].max(initial=0.0))
        return products[:num_rows], error * largest + engine_cc.SCAN_LEAST

    def best(
        self,
        vectors: Floats,
        present: NDArray[np.bool_],
        allowed: NDArray[np.bool_] | None,
        user: Floats,
        num: int,
    ) -> tuple[NDArray[np.int32], Floats]:
        """The at most `num` rows int32[k] of greatest product with `user` float32[dim], finite, and these, float32[k]: the greatest first,
        of equals the lower row.

        `vectors` float32[n, dim] and `present` bool[n] are of the first rows; what is beyond `allowed` bool[m] is not allowed. None is
        missed: what the bytes leave possible is told by the floats.
        """
        return engine_cc.scan_best(self, vectors, present, allowed, user, num)
