"""Which items have a FID among their features, so that a changed embedding row names the vectors that changed with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.features.encoded import EncodedBatch, FidArray
from engine.retrieval.item_rows import Rows

_Marks = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Owners:
    """`own` int32[n]: rows of items whose id has one of the FIDs asked for; `shared` int32[m]: rows of items that have one through a
    property. A row may be in both, and more than once."""

    own: Rows
    shared: Rows


@dataclass(frozen=True, slots=True)
class _Run:
    """Pairs of a FID and a row, by FID. `marks` are twice the age of the row when it was written, and one more for a FID of its id."""

    fids: FidArray
    rows: Rows
    marks: _Marks

    def at(self, places: npt.NDArray[np.intp]) -> _Run:
        return _Run(self.fids[places], self.rows[places], self.marks[places])

    def of(self, wanted: FidArray) -> npt.NDArray[np.intp]:
        """Places of the pairs of any FID of `wanted`, which is sorted and without repeats."""
        first = np.searchsorted(self.fids, wanted, "left")
        inside = first < self.fids.size
        first, wanted = first[inside], wanted[inside]
        found = self.fids[first] == wanted
        first = first[found]
        counts = np.searchsorted(self.fids, wanted[found], "right") - first
        before = np.cumsum(counts) - counts
        return np.repeat(first - before, counts) + np.arange(counts.sum())


class FidOwners:
    """Pairs of a FID and a catalogue row in sorted runs, of which a new one is merged with those before that are not much longer. For one
    thread at a time.

    A pair counts only while its row has the age it was written with, so that changing or forgetting an item costs nothing but that; pairs
    that no longer count go when their run is merged.
    """

    def __init__(self) -> None:
        self._ages = np.zeros(1024, np.uint32)
        self._runs: list[_Run] = []

    @property
    def memory_bytes(self) -> int:
        pairs = sum(run.fids.nbytes + run.rows.nbytes + run.marks.nbytes for run in self._runs)
        return pairs + self._ages.nbytes

    def write(self, rows: Rows, batch: EncodedBatch, own_slots: Iterable[str]) -> None:
        """Set the FIDs of n different rows to those of `batch` (n rows, item side); `own_slots` are the slots of `item.id`."""
        if not rows.size:
            return
        self._grow(int(rows.max()) + 1)
        self._ages[rows] += 1
        own = set(own_slots)
        slots = list(batch.slots.items())
        fids = np.concatenate([values.fids for _, values in slots]) if slots else np.empty(0, np.uint64)
        owners = [np.repeat(rows, values.lengths) for _, values in slots]
        is_own = [np.full(values.fids.size, name in own, np.uint32) for name, values in slots]
        if fids.size:
            pair_rows = np.concatenate(owners)
            marks = self._ages[pair_rows] * np.uint32(2) + np.concatenate(is_own)
            self._add(_Run(fids, pair_rows, marks).at(np.argsort(fids)))

    def forget(self, rows: Rows) -> None:
        """Rows that have no FIDs are no error."""
        self._ages[rows[rows < self._ages.size]] += 1

    def rows_of(self, fids: FidArray) -> Owners:
        """The rows that have any of `fids` uint64[n]."""
        wanted = np.unique(fids)
        found = [run.at(run.of(wanted)) for run in self._runs]
        rows = np.concatenate([np.empty(0, np.int32), *(run.rows for run in found)])
        marks = np.concatenate([np.empty(0, np.uint32), *(run.marks for run in found)])
        counts = marks // 2 == self._ages[rows]
        is_own = marks % 2 == 1
        return Owners(rows[counts & is_own], rows[counts & ~is_own])

    def sample_of(self, fids: FidArray, most: int) -> tuple[npt.NDArray[np.int64], Rows, npt.NDArray[np.int64]]:
        """Of each of `fids` uint64[n], ascending and each once, at most `most` owners of each run, spread over all that it has.

        Places in `fids` int64[m], ascending, with the owner's row int32[m] of each; and int64[n], how many owners each FID has.
        """
        counts = np.zeros(fids.size, np.int64)
        places, rows = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
        for run in self._runs:
            first = np.searchsorted(run.fids, fids, "left")
            num = np.searchsorted(run.fids, fids, "right") - first
            counts += num
            taken = np.minimum(num, most)
            place = np.repeat(np.arange(fids.size), taken)
            number = np.arange(taken.sum()) - np.repeat(np.cumsum(taken) - taken, taken)
            at = first[place] + number * num[place] // np.maximum(1, taken[place])
            current = run.marks[at] // 2 == self._ages[run.rows[at]]
            places.append(place[current])
            rows.append(run.rows[at[current]])
        owned, owners = np.concatenate(places), np.concatenate(rows)
        order = np.argsort(owned, kind="stable")
        return owned[order], owners[order], counts

    def _add(self, run: _Run) -> None:
        """Runs at least halve in length from each to the next, so that there are few and no pair is merged often."""
        while self._runs and self._runs[-1].fids.size < 2 * run.fids.size:
            run = self._merged(self._runs.pop(), run)
        self._runs.append(run)

    def _merged(self, first: _Run, second: _Run) -> _Run:
        both = _Run(
            np.concatenate([first.fids, second.fids]),
            np.concatenate([first.rows, second.rows]),
            np.concatenate([first.marks, second.marks]),
        )
        both = both.at(np.flatnonzero(both.marks // 2 == self._ages[both.rows]))
        return both.at(np.argsort(both.fids))

    def _grow(self, num_rows: int) -> None:
        if num_rows > self._ages.size:
            grown = np.zeros(max(num_rows, 2 * self._ages.size), np.uint32)
            grown[: self._ages.size] = self._ages
            self._ages = grown
