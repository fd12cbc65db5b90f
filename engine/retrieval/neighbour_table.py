"""The heaviest neighbours of every item in bounded memory, from a stream of weighted pairs.

A weighted Space-Saving summary for each item (Metwally, Agrawal and El Abbadi, ICDT 2005), which evicts many neighbours at once instead
of one at a time (Anderson et al., A High-Performance Algorithm for Identifying Frequent Items in Data Streams, IMC 2017): an item has
room for twice the neighbours that it keeps, and when that is full the lighter half goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.retrieval.forward_decay import WeightArray
from engine.retrieval.occurrence_ranks import occurrence_ranks

RowArray = npt.NDArray[np.int64]
TargetArray = npt.NDArray[np.int32]

_PAIRS_AT_ONCE = 4096


@dataclass(slots=True)
class Cells:
    """What is known of n items' neighbours, `width` cells each, -1 in `targets` where there is none. Cells are filled from the left.

    `weights` float32[n, width]: what the pairs since a neighbour's admission weigh; its true weight is at least that, and at most that
    plus `errors` float32[n, width]. `used` int32[n] cells are filled. A neighbour without a cell weighs at most `floors` float32[n].
    """

    targets: TargetArray
    weights: WeightArray
    errors: WeightArray
    used: npt.NDArray[np.int32]
    floors: WeightArray

    @classmethod
    def empty(cls, num_rows: int, width: int) -> Cells:
        return cls(
            targets=np.full((num_rows, width), -1, np.int32),
            weights=np.zeros((num_rows, width), np.float32),
            errors=np.zeros((num_rows, width), np.float32),
            used=np.zeros(num_rows, np.int32),
            floors=np.zeros(num_rows, np.float32),
        )

    def of(self, rows: RowArray) -> Cells:
        """A copy of some items' cells."""
        return Cells(self.targets[rows], self.weights[rows], self.errors[rows], self.used[rows], self.floors[rows])

    def put(self, rows: RowArray, other: Cells) -> None:
        """Replace the cells of some items by those of `other`, in its order."""
        self.targets[rows], self.weights[rows], self.errors[rows] = other.targets, other.weights, other.errors
        self.used[rows], self.floors[rows] = other.used, other.floors


class NeighbourTable:
    """At least the `num_neighbours` heaviest neighbours of each row, at most twice as many. Not thread-safe.

    What `add` leaves depends on the pairs and their order alone, not on how they were cut into calls.
    """

    def __init__(self, num_neighbours: int) -> None:
        if num_neighbours < 1:
            raise ValueError(f"num_neighbours must be at least 1, received {num_neighbours}")
        self.num_neighbours = num_neighbours
        self.width = 2 * num_neighbours
        self.cells = Cells.empty(0, self.width)

    @property
    def num_rows(self) -> int:
        """How many rows there is room for."""
        return self.cells.used.size

    def grow(self, num_rows: int) -> None:
        """Make room for rows below `num_rows`, doubling so that growth stays cheap."""
        if num_rows > self.num_rows:
            grown = Cells.empty(max(num_rows, 2 * self.num_rows, 64), self.width)
            grown.put(np.arange(self.num_rows), self.cells)
            self.cells = grown

    def add(self, sources: RowArray, targets: RowArray, weights: WeightArray) -> None:
        """Pair i adds `weights[i]` to what neighbour `targets[i]` is to row `sources[i]`: int64[p], int64[p], float32[p], in order."""
        for start in range(0, sources.size, _PAIRS_AT_ONCE):
            end = start + _PAIRS_AT_ONCE
            waiting = sources[start:end], targets[start:end], weights[start:end]
            while waiting[0].size:
                waiting = self._add_until_full(*waiting)

    def _add_until_full(
        self, sources: RowArray, targets: RowArray, weights: WeightArray
    ) -> tuple[RowArray, RowArray, WeightArray]:
        """Add each row's pairs up to the one that finds its cells full, cut those rows, and answer the pairs still to be added."""
        columns, is_new = self._places(sources, targets)
        full, fits = _before_overflow(sources, columns >= self.width)
        made = fits & is_new
        cells = self.cells
        cells.targets[sources[made], columns[made]] = targets[made]
        cells.errors[sources[made], columns[made]] = cells.floors[sources[made]]
        np.add.at(cells.used, sources[made], 1)
        np.add.at(cells.weights, (sources[fits], columns[fits]), weights[fits])
        self._cut(full)
        return sources[~fits], targets[~fits], weights[~fits]

    def _places(self, sources: RowArray, targets: RowArray) -> tuple[RowArray, npt.NDArray[np.bool_]]:
        """The column of each pair's cell, int64[p], and whether the pair is the first of a cell yet to be made, bool[p].

        New neighbours of a row get the columns after its used ones, in the order in which they come; beyond `width` there is no cell.
        """
        same = self.cells.targets[sources] == targets[:, np.newaxis]
        columns = same.argmax(axis=1).astype(np.int64)
        missed = np.flatnonzero(~same[np.arange(sources.size), columns])
        is_new = np.zeros(sources.size, np.bool_)
        if missed.size:
            keys = (sources[missed] << 32) | targets[missed]
            _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
            by_arrival = np.argsort(first)
            rank = np.empty(first.size, np.int64)
            rank[by_arrival] = occurrence_ranks(sources[missed[first[by_arrival]]])
            columns[missed] = self.cells.used[sources[missed]] + rank[inverse.ravel()]
            is_new[missed[first]] = True
        return columns, is_new

    def _cut(self, rows: RowArray) -> None:
        """Of rows whose cells are all used, keep the `num_neighbours` that may be heaviest; of equals those that came first."""
        if not rows.size:
            return
        before = self.cells.of(rows)
        bounds = before.weights + before.errors
        order = np.argsort(-bounds, axis=1, kind="stable")
        kept = np.sort(order[:, : self.num_neighbours], axis=1)
        after = Cells.empty(rows.size, self.width)
        for name in ("targets", "weights", "errors"):
            getattr(after, name)[:, : self.num_neighbours] = np.take_along_axis(getattr(before, name), kept, axis=1)
        after.used[:] = self.num_neighbours
        heaviest_lost = np.take_along_axis(bounds, order[:, self.num_neighbours, np.newaxis], axis=1)[:, 0]
        after.floors = np.maximum(before.floors, heaviest_lost)
        self.cells.put(rows, after)

    def scale(self, factor: float) -> None:
        """Multiply every weight and bound."""
        for values in (self.cells.weights, self.cells.errors, self.cells.floors):
            np.multiply(values, np.float32(factor), out=values)

    def clear_rows(self, rows: RowArray) -> None:
        """Forget the neighbours of some rows (not those rows as neighbours of others)."""
        self.cells.put(rows, Cells.empty(rows.size, self.width))

    def renumber(self, kept: RowArray) -> None:
        """Row `kept[i]` becomes row i; every other row is forgotten, as a neighbour of others too. `kept` int64[n], distinct."""
        new_number = np.full(self.num_rows + 1, -1, np.int32)
        new_number[kept] = np.arange(kept.size)
        cells = self.cells.of(kept)
        cells.targets = new_number[cells.targets]
        to_the_left = np.argsort(cells.targets < 0, axis=1, kind="stable")
        for name in ("targets", "weights", "errors"):
            setattr(cells, name, np.take_along_axis(getattr(cells, name), to_the_left, axis=1))
        gone = cells.targets < 0
        cells.weights[gone] = cells.errors[gone] = 0.0
        cells.used = (~gone).sum(axis=1).astype(np.int32)
        self.cells = cells


def _before_overflow(sources: RowArray, overflows: npt.NDArray[np.bool_]) -> tuple[RowArray, npt.NDArray[np.bool_]]:
    """The rows of which a pair overflows, and for each pair whether it comes before its row's first that does, bool[p]."""
    places = np.flatnonzero(overflows)
    rows, first = np.unique(sources[places], return_index=True)
    if not rows.size:
        return rows, np.ones(sources.size, np.bool_)
    nearest = np.minimum(np.searchsorted(rows, sources), rows.size - 1)
    fits = (rows[nearest] != sources) | (np.arange(sources.size) < places[first[nearest]])
    return rows, fits
