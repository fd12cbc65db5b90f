"""Which items are clicked in the same session, decayed in event time, replayed over a whole log."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.evaluation.replay.click_log import ClickLog, chain, items_at, previous_same
from engine.evaluation.replay.counters import DecayedSums

Places = npt.NDArray[np.int64]


class CoOccurrence:
    """C[i, j]: how often j was clicked in a session with i, decayed with a half-life.

    A click counts once with each of the session's last `depth` items, in both directions, or from the earlier to the later item
    only (`directed`). The pairs of the whole log are laid out beforehand, by row; a pair's weight is zero until its event is
    counted, so that nothing of the future is in any answer.
    """

    def __init__(
        self, log: ClickLog, half_life_ms: float, *, depth: int = 10, directed: bool = False, keys: Places | None = None
    ) -> None:
        """`keys`: what makes clicks belong together, by default their session."""
        before = chain(previous_same(log.sessions if keys is None else keys), np.arange(len(log)), depth)
        earlier = items_at(log.items, before)
        later = np.broadcast_to(log.items.astype(np.int64)[:, np.newaxis], earlier.shape)
        usable = (earlier >= 0) & (earlier != later)
        rows, columns = earlier[usable], later[usable]
        clicks = np.broadcast_to(np.arange(len(log))[:, np.newaxis], earlier.shape)[usable]
        if not directed:
            rows, columns, clicks = np.r_[rows, columns], np.r_[columns, rows], np.r_[clicks, clicks]
        cells, self._cell_of = np.unique(rows * log.num_items + columns, return_inverse=True)
        self._columns = (cells % log.num_items).astype(np.int32)
        self._starts = np.searchsorted(cells, np.arange(log.num_items + 1) * log.num_items)
        order = np.argsort(clicks, kind="stable")
        self._cell_of, self._rows, self._clicks = self._cell_of.ravel()[order], rows[order], clicks[order]
        self._times_ms = log.times_ms
        self._sums = DecayedSums(cells.size, half_life_ms)
        self._row_sums = DecayedSums(log.num_items, half_life_ms)
        self._done = 0

    def advance(self, num_clicks: int) -> None:
        """Count the log's clicks before the `num_clicks`-th."""
        end = int(np.searchsorted(self._clicks, num_clicks, "left"))
        new = slice(self._done, end)
        times_ms = self._times_ms[self._clicks[new]]
        self._sums.add(self._cell_of[new], times_ms)
        self._row_sums.add(self._rows[new], times_ms)
        self._done = end

    def row_sums(self, time_ms: int, items: Places) -> npt.NDArray[np.float32]:
        """Σ_j C[i, j] of each item, float32, zero for -1; same shape as `items`."""
        return np.where(items >= 0, self._row_sums.at(time_ms, items), np.float32(0))

    def scores(
        self,
        seeds: Places,
        weights: npt.NDArray[np.float32],
        column_of: npt.NDArray[np.int32],
        num_columns: int,
        time_ms: int,
    ) -> npt.NDArray[np.float32]:
        """float32[m, num_columns]: Σ_s weights[m, s] · C[seeds[m, s], j], where item j's column is `column_of[j]` (-1: left out).

        `seeds` int64[m, s] are items, -1 for none.
        """
        used = seeds >= 0
        row_of = np.broadcast_to(np.arange(seeds.shape[0])[:, np.newaxis], seeds.shape)[used]
        items, scale = seeds[used], weights[used]
        starts, lengths = self._starts[items], self._starts[items + 1] - self._starts[items]
        offsets = np.repeat(starts - np.r_[0, np.cumsum(lengths)[:-1]], lengths) if items.size else starts
        cells = offsets + np.arange(offsets.size)
        columns = column_of[self._columns[cells]]
        values = self._sums.at(time_ms, cells) * np.repeat(scale, lengths)
        kept = (columns >= 0) & (values > 0)
        places = np.repeat(row_of, lengths)[kept] * num_columns + columns[kept]
        summed = np.bincount(places, weights=values[kept], minlength=seeds.shape[0] * num_columns)
        return summed.astype(np.float32).reshape(seeds.shape[0], num_columns)
