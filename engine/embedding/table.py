"""The embedding table: a thin typed face of the C++ table."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import engine_cc

Fids = NDArray[np.uint64]
SlotNumbers = NDArray[np.uint16]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What became of a batch of gradients, in positions of the batch.

    `num_absent`: the FID has no row. `num_rejected`: the gradient, or the sum of its FID's gradients, is not finite or would
    overflow the accumulator.
    """

    num_applied: int
    num_absent: int
    num_rejected: int


@dataclass(frozen=True, slots=True)
class TableDelta:
    """Current state of FIDs that changed: fids uint64 [n], slots uint16 [n], vectors float32 [n, dim], deleted uint64 [m]."""

    fids: Fids
    slots: SlotNumbers
    vectors: Floats
    deleted: Fids

    def __len__(self) -> int:
        """Rows and deletes together."""
        return len(self.fids) + len(self.deleted)


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows as a checkpoint keeps them: fids uint64 [n], slots uint16 [n], vectors and accumulators float32 [n, dim], touched bool [n].

    `accumulators` None means the initial accumulator, `touched` None that no row becomes touched.
    """

    fids: Fids
    slots: SlotNumbers
    vectors: Floats
    accumulators: Floats | None = None
    touched: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.fids)


class EmbeddingTable:
    """The rows of one dim and optimizer (sparse Adagrad), keyed by FID. Two FIDs never share a row.

    Every method takes a batch: fids uint64 [n], slots uint16 [n], float matrices float32 [n, dim], C-contiguous. A wrong dtype
    raises TypeError, a wrong shape or a value that is not finite ValueError, each before anything changes; nothing is converted in
    silence. Methods may be called from any thread and release the interpreter lock; `lookup`, `contains`, `rows` and `digest` run
    together, the others one at a time. Running out of memory (MemoryError) leaves a valid table.
    """

    def __init__(self, dim: int, *, seed: int, init_scale: float, initial_accumulator: float) -> None:
        """`seed` of new rows, 0 <= seed < 2**64; a new row is uniform in ±`init_scale`, a function of (seed, FID) alone."""
        if not 0 < dim < 2**32:
            raise ValueError(f"dim must be 1 to 4096, received {dim}")
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed must be 0 to 2**64 - 1, received {seed}")
        self._core = engine_cc.Table(
            dim=dim,
            seed=seed,
            init_scale=init_scale,
            initial_accumulator=initial_accumulator,
            # Not part of any result: it only keeps a stranger from choosing ids that crowd one part of the index.
            index_salt=secrets.randbits(64),
        )

    @property
    def dim(self) -> int:
        return self._core.dim

    def lookup(self, fids: Fids, out: Floats | None = None) -> Floats:
        """Vectors float32 [n, dim], zeros where a FID has no row. Never inserts. Writes into `out` and answers it when given."""
        return self._core.lookup(fids, out)

    def lookup_or_create(self, fids: Fids, slots: SlotNumbers, out: Floats | None = None) -> Floats:
        """As `lookup`, but an absent FID first gets a row, which is touched. A row keeps the slot it was created with."""
        return self._core.lookup_or_create(fids, slots, out)

    def contains(self, fids: Fids) -> NDArray[np.bool_]:
        """Which FIDs have a row, bool [n]."""
        return self._core.contains(fids)

    def apply_gradients(self, fids: Fids, grads: Floats, learning_rate: float) -> ApplyResult:
        """Sparse Adagrad (Duchi et al., 2011): n += g², w -= learning_rate·g/√n, g summed over a FID's positions in input order.

        Positions without a row or with a gradient that is not finite are left out and counted. Rows that changed are touched.
        """
        return ApplyResult(*self._core.apply_gradients(fids, grads, learning_rate))

    def assign(self, fids: Fids, slots: SlotNumbers, vectors: Floats) -> None:
        """Set slots and vectors, creating absent rows; accumulators of existing rows stay. Touches them. The last duplicate wins."""
        self._core.assign(fids, slots, vectors)

    def erase(self, fids: Fids) -> int:
        """Remove rows; answers how many there were. They become pending deletes of the next delta."""
        return self._core.erase(fids)

    def __len__(self) -> int:
        return self._core.size()

    @property
    def memory_bytes(self) -> int:
        """Bytes reserved for index, rows and touched set."""
        return self._core.memory_bytes()

    def digest(self) -> int:
        """64-bit sum over rows of a hash of (FID, vector): equal for equal contents in any order. Walks every row.

        Slots, accumulators and the touched set are not in it.
        """
        return self._core.digest()

    @property
    def num_touched(self) -> int:
        """Touched rows and pending deletes, without what is in flight."""
        return self._core.num_touched()

    def export_delta(self, max_rows: int) -> TableDelta:
        """Move at most `max_rows` FIDs (deletes first, then rows, longest touched first) from touched to in flight.

        Several exports may be in flight; `acknowledge_delta` or `restore_delta` settles them all.
        """
        return TableDelta(*self._core.export_delta(max_rows))

    def acknowledge_delta(self) -> None:
        """What is in flight has been published; forget it."""
        self._core.acknowledge_delta()

    def restore_delta(self) -> None:
        """What is in flight was not published; touch it again."""
        self._core.restore_delta()

    def forget_touched(self) -> None:
        """Forget touched rows, pending deletes and what is in flight, because a snapshot now carries everything."""
        self._core.forget_touched()

    def apply_delta(self, delta: TableDelta) -> None:
        """Upsert and delete what another table exported. Touches nothing; new rows get the initial accumulator."""
        self._core.apply_delta(delta.fids, delta.slots, delta.vectors, delta.deleted)

    def rows(self, max_rows: int = 65_536) -> Iterator[TableRows]:
        """Every row, in pieces of at most `max_rows`. `touched` tells rows that are touched or in flight.

        A row that lives throughout the walk is seen; for a consistent picture keep writers away until it ends.
        """
        cursor = 0
        while True:
            cursor, fids, slots, vectors, accumulators, touched = self._core.export_rows(cursor, max_rows)
            if not len(fids):
                return
            yield TableRows(fids, slots, vectors, accumulators, touched)

    def import_rows(self, rows: TableRows) -> None:
        """Create or overwrite rows. Accumulators must be positive."""
        self._core.import_rows(rows.fids, rows.slots, rows.vectors, rows.accumulators, rows.touched)

    def pending_deletes(self) -> Fids:
        """The FIDs without a row whose delete is pending or in flight, ascending."""
        return self._core.pending_deletes()

    def import_deletes(self, fids: Fids) -> None:
        """Make pending deletes of those FIDs that have no row."""
        self._core.import_deletes(fids)
