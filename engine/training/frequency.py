"""How often an item comes by, estimated from the stream (Yi et al., RecSys 2019, algorithm 2), one counter for each item."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from engine.training.item_catalogue import RowArray


class FrequencyEstimates:
    """For each catalogue row the average gap B between its occurrences, in examples: B <- (1-a)B + a(t - A), A <- t.

    The probability that an example is about the item is 1/B. Where this differs from the paper: t counts examples instead of steps, so
    that the estimate does not depend on batch sizes; every item has a cell of its own instead of a hashed one; and the n-th occurrence
    is taken in with a = max(`rate`, 1/n). With a fixed a, what B begins with is forgotten only by (1 - a)^n (proposition 3.1), and an item
    that happens to come by first would count as everyone's for as long. So B is the plain mean t/n up to occurrence 1/`rate`, the
    moving average after. An item's first gap is at most `max_gap`. `count` is how often each was seen.
    """

    def __init__(self, capacity: int, rate: float = 0.05, max_gap: float = 1e6) -> None:
        self.rate = rate
        self.max_gap = max_gap
        self.num_seen = 0
        self.last = np.full(capacity, -1, np.int64)
        self.gap = np.zeros(capacity, np.float64)
        self.count = np.zeros(capacity, np.int64)

    def observe(self, rows: RowArray) -> None:
        """One occurrence for each row, in order; repeats count each."""
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        times = self.num_seen + 1 + order
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if ordered.size else np.empty(0, np.int64)
        places = np.arange(ordered.size) - np.repeat(starts, np.diff(np.r_[starts, ordered.size]))
        # Occurrence number k of every row at once: distinct rows, so that one vector operation is one step of the recurrence.
        by_place = np.argsort(places, kind="stable")
        bounds = np.r_[0, np.cumsum(np.bincount(places))] if places.size else np.zeros(1, np.int64)
        for start, end in itertools.pairwise(bounds):
            chosen = by_place[start:end]
            self._step(ordered[chosen], times[chosen])
        self.num_seen += rows.size

    def _step(self, rows: RowArray, times: npt.NDArray[np.int64]) -> None:
        self.count[rows] += 1
        last, gap = self.last[rows], self.gap[rows]
        rate = np.maximum(self.rate, 1.0 / self.count[rows])
        first = np.minimum(times.astype(np.float64), self.max_gap)
        self.gap[rows] = np.where(last < 0, first, (1 - rate) * gap + rate * (times - last))
        self.last[rows] = times

    def log_probability(self, rows: RowArray) -> npt.NDArray[np.float32]:
        """ln(1/B), float32[n]; a row never seen counts as one occurrence in `max_gap`."""
        gap = np.where(self.last[rows] < 0, self.max_gap, self.gap[rows])
        return -np.log(np.maximum(gap, 1.0)).astype(np.float32)

    def forget(self, rows: list[int]) -> None:
        """Rows that went to another item start anew."""
        self.last[rows] = -1
        self.gap[rows] = 0.0
        self.count[rows] = 0
