"""The values of slots, row by row: how a batch's columns become what a table is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import engine_cc
from engine.embedding.pooling import Members, Splits
from engine.embedding.rows import Fids, Seconds, SlotNumbers


@dataclass(frozen=True, slots=True)
class SlotGroup:
    """Slots that are pooled together: of each its values, uint64 [nnz], and where each row's begin, int32 [n + 1].

    `numbers` uint16 [s] are the slots'. `seen_at_s` uint32 [n] says when each row was seen; None in a batch that is only looked up.
    """

    fids: Sequence[Fids]
    offsets: Sequence[Members]
    numbers: SlotNumbers
    seen_at_s: Seconds | None = None


def lay_out(groups: Sequence[SlotGroup]) -> tuple[Fids, SlotNumbers, Seconds, list[Splits]]:
    """Values of all groups, one after the other, with slot number and time: uint64 [nnz], uint16 [nnz], uint32 [nnz] or [0].

    Of each group also the splits of its bags, int64 [n * s + 1], counted from the group's first value: bag r * s + i is what row r has
    in slot i. Raises TypeError for a wrong dtype, ValueError for columns that do not fit together, or where only some have times.
    """
    asks_when = bool(groups) and groups[0].seen_at_s is not None
    if any((group.seen_at_s is not None) != asks_when for group in groups):
        raise ValueError("seen_at_s must be given for every group or for none")
    return engine_cc.lay_out([(each.fids, each.offsets, each.numbers, each.seen_at_s) for each in groups], asks_when)
