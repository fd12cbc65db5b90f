"""A replica's copy of a table: a thin typed face of the C++ serving table."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import engine_cc
from engine.embedding.rows import Fids, Floats, TableDelta
from engine.spec.serving_copy import Precision


class ServingTable:
    """Vectors of one dim, keyed by FID, stored in a precision. Two FIDs never share a row.

    Readers (`lookup`, `contains`) never wait for the writer and never see a row torn between two deltas; a batch may see some
    rows from before and some from after one. Arguments and errors are as those of `EmbeddingTable`.
    """

    def __init__(self, dim: int, precision: Precision = Precision.FLOAT32) -> None:
        """Raises ValueError for a dim out of 1..4096."""
        if not 0 < dim <= 4096:
            raise ValueError(f"dim must be 1 to 4096, received {dim}")
        self.precision = precision
        # Not part of any result: it only keeps a stranger from choosing ids that crowd one part of the index.
        self._core = engine_cc.ServingTable(dim=dim, precision=precision, index_salt=secrets.randbits(64))

    @property
    def core(self) -> engine_cc.ServingTable:
        """The table of the C++ core, for those who read it there."""
        return self._core

    @property
    def dim(self) -> int:
        return self._core.dim

    def lookup(self, fids: Fids, out: Floats | None = None) -> Floats:
        """Decoded vectors float32 [n, dim], zeros where a FID is absent. Writes into `out` and answers it when given."""
        return self._core.lookup(fids, out)

    def contains(self, fids: Fids) -> NDArray[np.bool_]:
        """Which FIDs have a row, bool [n]."""
        return self._core.contains(fids)

    def apply_delta(self, delta: TableDelta) -> None:
        """Delete, then upsert, what a table exported. After a MemoryError part of it may be in; applying it again completes it."""
        self._core.apply_delta(delta.fids, delta.vectors, delta.deleted)

    def upsert(self, fids: Fids, vectors: Floats) -> None:
        """Create or overwrite rows: vectors float32 [n, dim]."""
        self._core.apply_delta(fids, vectors, np.empty(0, np.uint64))

    def rows(self, min_rows: int = 65_536) -> Iterator[tuple[Fids, Floats]]:
        """Every FID and decoded vector, in pieces of at least `min_rows` that end with a whole segment of the index."""
        cursor = 0
        while True:
            cursor, fids, vectors = self._core.export_rows(cursor, min_rows)
            if not len(fids):
                return
            yield fids, vectors

    def __len__(self) -> int:
        return self._core.size()

    @property
    def memory_bytes(self) -> int:
        return self._core.memory_bytes()

    def digest(self) -> int:
        """Equal to the trainer's when contents and its `digest_precision` are. O(1)."""
        return self._core.digest()

    def computed_digest(self) -> int:
        """The same, from every row: for tests and audits."""
        return self._core.computed_digest()
