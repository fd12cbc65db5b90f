"""The embedding table of training: a thin typed face of the C++ table."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

import engine_cc
from engine.embedding.options import TableOptions
from engine.embedding.rows import (
    ApplyResult,
    Candidates,
    Fids,
    Floats,
    Seconds,
    SlotCount,
    SlotNumbers,
    TableCounters,
    TableDelta,
    TableRows,
)
from engine.embedding.table_image import TableImage

Batch = engine_cc.SightedBatch
"""`fids` uint64 [num_unique], each FID of the batch once; `members` int32 [n], the number in `fids` of each position's FID."""


Plan = engine_cc.Plan
"""What `EmbeddingTable.plan` found out of a batch; its memory can be used for one batch after the other."""


class EmbeddingTable:
    """The rows of one dim and optimizer, keyed by FID. Two FIDs never share a row.

    Every method takes a batch: fids uint64 [n], slots uint16 [n], float matrices float32 [n, dim], C-contiguous. A wrong dtype
    raises TypeError, a wrong shape or a value that is not finite ValueError, each before anything changes; nothing is
    converted or copied in silence. Methods may be called from any thread at any time and release the interpreter lock; a
    `lookup` beside a change of the same row may see floats from before and after it. Running out of memory (MemoryError) or
    of row numbers (OverflowError) leaves a valid table.

    `seen_at_s` is event time from the guarded clock, seconds since 1970: uint32 [n], or one integer for the whole batch.
    """

    def __init__(self, options: TableOptions, *, index_salt: int | None = None) -> None:
        """Raises ValueError for options that are refused.

        `index_salt`, 0 <= index_salt < 2**64, keeps a stranger from choosing ids that crowd one part of the index: it is
        secret. Which rows a full budget evicts and which candidates a full ledger drops depend on it, nothing else does; so a
        table that goes on from a checkpoint needs the checkpoint's, which `restore_table` sees to. None draws a new one.
        """
        self.options = options
        self.index_salt = secrets.randbits(64) if index_salt is None else index_salt
        self._core = options.new_core(self.index_salt)
        self._num_images = 0
        self._confirmed_image = -1

    @property
    def dim(self) -> int:
        return self._core.dim

    @property
    def num_state_floats(self) -> int:
        """Floats of optimizer state that a row has beside its vector."""
        return self._core.num_state_floats

    # Reading.

    def lookup(self, fids: Fids, out: Floats | None = None, absent: Literal["zeros", "initial"] = "zeros") -> Floats:
        """Vectors float32 [n, dim]; where a FID has no row, zeros or what its row would begin with. Never inserts.

        Writes into `out` and answers it when given.
        """
        return self._core.lookup(fids, out, absent)

    def contains(self, fids: Fids) -> NDArray[np.bool_]:
        """Which FIDs have a row, bool [n]."""
        return self._core.contains(fids)

    # Sighting.

    def lookup_or_create(
        self, fids: Fids, slots: SlotNumbers, seen_at_s: Seconds | SupportsIndex, out: Floats | None = None
    ) -> Floats:
        """Sights every position, then answers as `lookup`.

        A FID without a row gets one, which is touched, when its slot's admission grants it. A row keeps the slot it was
        created with.
        """
        return self._core.lookup_or_create(fids, slots, seen_at_s, out)

    def plan(self, fids: Fids, into: Plan | None = None) -> Plan:
        """What `sight` needs of a batch alone, worked out ahead and beside anything else; rows that there are come nearer meanwhile.

        Changes nothing: what has been brought near is the rows themselves, so that what is written to them until then is seen. `into` is
        used and answered when given.
        """
        plan = Plan() if into is None else into
        self._core.plan(fids, plan)
        return plan

    def sight(
        self, fids: Fids, slots: SlotNumbers, seen_at_s: Seconds | SupportsIndex, plan: Plan | None = None
    ) -> Batch:
        """The same for a training step, which goes on with `gather` and `apply`: FIDs are found once. Touches the rows.

        Raises ValueError for a plan of other FIDs or of another table.
        """
        return self._core.sight(fids, slots, seen_at_s, plan)

    def gather(self, batch: Batch, out: Floats | None = None) -> Floats:
        """Vectors float32 [num_unique, dim] of a batch that this table sighted; zeros where there is no row (any more)."""
        return self._core.gather(batch, out)

    # Learning and other changes.

    def apply(self, batch: Batch, grads: Floats, learning_rate: float) -> ApplyResult:
        """One step for each FID of a batch that this table sighted; grads float32 [num_unique, dim], summed over positions."""
        return ApplyResult(*self._core.apply(batch, grads, learning_rate))

    def apply_gradients(self, fids: Fids, grads: Floats, learning_rate: float) -> ApplyResult:
        """One step of the optimizer for each FID that has a row, with its gradients summed in input order.

        Positions without a row or with a gradient that is not finite are left out and counted. Rows that changed are touched.
        """
        return ApplyResult(*self._core.apply_gradients(fids, grads, learning_rate))

    def assign(self, fids: Fids, slots: SlotNumbers, vectors: Floats) -> None:
        """Set slots and vectors, creating absent rows whatever the admission. Touches them. The last duplicate wins.

        The optimizer state of existing rows stays, but for FTRL's, which would undo it and begins anew.
        """
        self._core.assign(fids, slots, vectors)

    def erase(self, fids: Fids) -> int:
        """Remove rows; answers how many there were. They become pending deletes of the next delta."""
        return self._core.erase(fids)

    def expire(self, now_s: int, num_rows: int) -> int:
        """Look through at least `num_rows` more rows and evict those whose slot's time to live has passed at `now_s`.

        Candidates that have decayed are forgotten on the way. Answers how many rows went; they become pending deletes.
        """
        return self._core.expire(now_s, num_rows)

    # What is in it.

    def __len__(self) -> int:
        return self._core.size()

    def warm(self, num_rows: int) -> None:
        """Touch the memory of `num_rows` rows now, so that growing to that size waits for no page of the system's."""
        self._core.warm(num_rows)

    @property
    def memory_bytes(self) -> int:
        """Bytes of index, rows, touched set and candidates."""
        return self._core.memory_bytes()

    @property
    def counters(self) -> TableCounters:
        return TableCounters(**self._core.counters())

    def slot_counts(self) -> dict[int, SlotCount]:
        """By slot number, of those slots that anything was counted of."""
        return {counts[0]: SlotCount(*counts) for counts in self._core.slot_counts()}

    def shard_sizes(self) -> list[int]:
        """The number of rows in each shard, one shard after the other."""
        return self._core.shard_sizes()

    def digest(self) -> int:
        """64-bit sum over rows of a hash of (FID, encoded vector): equal for equal contents in any order. O(1).

        Slots, optimizer state and stamps are not in it.
        """
        return self._core.digest()

    def computed_digest(self) -> int:
        """The same, from every row: for tests and audits."""
        return self._core.computed_digest()

    # Delta.

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

    def pending_deletes(self) -> Fids:
        """The FIDs without a row whose delete is pending or in flight, ascending."""
        return self._core.pending_deletes()

    def import_deletes(self, fids: Fids) -> None:
        """Make pending deletes of those FIDs that have no row."""
        self._core.import_deletes(fids)

    # Rows in and out.

    def image(self, *, incremental: bool) -> TableImage:
        """The table as it is now, to be read while others go on changing it. RuntimeError while there is another."""
        is_confirmed = self._confirmed_image == self._num_images
        number = self._num_images + 1

        def confirm() -> None:
            self._confirmed_image = number

        image = TableImage(self._core, incremental=incremental and is_confirmed, on_confirm=confirm)
        self._num_images = number
        return image

    def rows(self, min_rows: int = 65_536) -> Iterator[TableRows]:
        """Every row, in pieces of at least `min_rows`, each ending with a whole segment of the index, of at most 4,096 rows.

        A row that lives throughout the walk is seen, twice if a writer moved it meanwhile; `image` gives a consistent picture.
        """
        cursor = 0
        while True:
            cursor, (fids, slots, seen_at_s, counts, vectors, states, touched) = self._core.export_rows(
                cursor, min_rows
            )
            if not len(fids):
                return
            yield TableRows(fids, slots, vectors, seen_at_s, counts, states, touched)

    def import_rows(self, rows: TableRows) -> None:
        """Create or overwrite rows, whatever admission and budget say. They are copied once on their way in."""
        self._core.import_rows(
            rows.fids, rows.slots, rows.vectors, rows.seen_at_s, rows.counts, rows.states, rows.touched
        )

    def candidates(self) -> Candidates:
        return Candidates(*self._core.export_candidates())

    def import_candidates(self, candidates: Candidates) -> None:
        self._core.import_candidates(candidates.fids, candidates.slots, candidates.counts, candidates.since_s)

    def state_words(self) -> NDArray[np.uint64]:
        """Counters and the hands of expiry and budget, for `import_state_words` of a table of the same options and salt."""
        return self._core.export_state()

    def import_state_words(self, words: NDArray[np.uint64]) -> None:
        """Raises ValueError for words of another form."""
        self._core.import_state(words)
