"""Batches of rows as they go into tables and come out of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Fids = NDArray[np.uint64]
SlotNumbers = NDArray[np.uint16]
Floats = NDArray[np.float32]
Seconds = NDArray[np.uint32]

NOT_SEEN = 2**32 - 1
"""In place of a time in `seen_at_s`: no sighting, but a step learns from it all the same, as from a sampled negative.

Such a position gets the row that there is, and neither earns nor keeps one.
"""


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What became of a batch of gradients, in positions of the batch.

    `num_absent`: the FID has no row. `num_rejected`: the gradient, or the sum of its FID's gradients, is not finite or would
    make the row so.
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
    """Rows as a checkpoint keeps them: fids uint64 [n], slots uint16 [n], vectors float32 [n, dim] and, each of which may be None,

    seen_at_s uint32 [n], seconds since 1970 (None: 0); counts uint8 [n], sightings, at most 127, halved when the budget's
    clock hand passes (None: 0); states float32 [n, num_state_floats] (None: a new row's); touched bool [n], whether the row
    is touched or in flight (None: it is not).
    """

    fids: Fids
    slots: SlotNumbers
    vectors: Floats
    seen_at_s: Seconds | None = None
    counts: NDArray[np.uint8] | None = None
    states: Floats | None = None
    touched: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.fids)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Ids that are counted and have no row: fids uint64 [n], slots uint16 [n], counts uint32 [n], since_s uint32 [n].

    `since_s` is when the id's window began, in seconds since 1970.
    """

    fids: Fids
    slots: SlotNumbers
    counts: NDArray[np.uint32]
    since_s: Seconds

    def __len__(self) -> int:
        return len(self.fids)


@dataclass(frozen=True, slots=True)
class TableCounters:
    """What has become of rows and candidates since the table was new; a restore goes on from the checkpoint's numbers.

    `num_expired`, `num_over_budget`: evictions by reason. `num_erased`: by `erase`. `num_turned_away`: sightings of FIDs that
    had no row and did not earn one. `num_candidates` and `candidate_bytes` are of now.
    """

    num_created: int
    num_expired: int
    num_over_budget: int
    num_erased: int
    num_turned_away: int
    num_candidates: int
    candidate_bytes: int
    num_candidates_dropped: int
    num_candidates_decayed: int


@dataclass(frozen=True, slots=True)
class SlotCount:
    """What has become of the ids of one slot since the table was new; a restore goes on from the checkpoint's numbers, 0 of before
    there were such counts.

    `num_admitted`: rows earned by sighting. `num_expired`, `num_over_budget`: evictions by reason. `num_turned_away`: sightings of FIDs
    that had no row and did not earn one.
    """

    slot: int
    num_admitted: int = 0
    num_expired: int = 0
    num_over_budget: int = 0
    num_turned_away: int = 0
