"""The numbers kept for each key of a group of counters: buckets of sliding windows, decayed sums, and the newest event's time.

All are functions of the events counted, not of their order. Columns of windows are `[:, w]`, of half-lives `[:, d]`, of counters `[:, c]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.features.key_rows import Rows
from engine.spec.counter import NUM_BUCKETS, Counter, CounterValue, Decay

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NEVER: Final = -(2**62)
"""The time of the newest event of a counter that has none."""

_MS_PER_S: Final = 1000
_PLACES: Final = np.arange(NUM_BUCKETS)
# [first, last, place]: 1 for the places of first to last - 1. A look-up costs a third of two comparisons.
_IS_COUNTED: Final = (
    (np.arange(NUM_BUCKETS + 1)[:, np.newaxis, np.newaxis] <= _PLACES)
    & (np.arange(NUM_BUCKETS + 1)[np.newaxis, :, np.newaxis] > _PLACES)
).astype(np.uint32)
# Beyond this a double has become 0, and an int32 exponent has not overflowed.
_MAX_SHIFT: Final = 4000


class CounterRows:
    """The arrays, one row a key.

    `rings` uint32 [n, windows, 20]: place j counts the events of bucket `newest // width - j`, so that a row's buckets end with the
    bucket of its newest event. `decayed` float64 [n, half-lives]: the sum of 2 ** (time / half-life - newest // half-life), which
    moves to a later `newest` by a power of two, without rounding. `newest` int64 [n, counters], in ms.
    """

    def __init__(self, counters: Mapping[str, Counter], max_rows: int) -> None:
        names = list(counters)
        values = [value for name, counter in counters.items() for value in counter.values(name)]
        self.windows = [value for value in values if value.decay is Decay.WINDOW]
        self.half_lives = [value for value in values if value.decay is Decay.HALF_LIFE]
        self.values: list[CounterValue] = [*self.windows, *self.half_lives]
        self.window_counter = np.array([names.index(value.counter) for value in self.windows], np.int64)
        self.half_life_counter = np.array([names.index(value.counter) for value in self.half_lives], np.int64)
        self.widths_ms = np.array([value.span_s * _MS_PER_S // NUM_BUCKETS for value in self.windows], np.int64)
        self.half_lives_ms = np.array([value.span_s * _MS_PER_S for value in self.half_lives], np.int64)
        self.newest = np.zeros((max_rows, len(names)), np.int64)
        self.rings = np.zeros((max_rows, len(self.windows), NUM_BUCKETS), np.uint32)
        self.decayed = np.zeros((max_rows, len(self.half_lives)), np.float64)

    @staticmethod
    def row_bytes(counters: Mapping[str, Counter]) -> int:
        """What one row takes."""
        num_windows = sum(len(counter.windows_s) for counter in counters.values())
        num_half_lives = sum(len(counter.half_lives_s) for counter in counters.values())
        return 8 * len(counters) + 4 * NUM_BUCKETS * num_windows + 8 * num_half_lives

    def clear(self, rows: Rows) -> None:
        self.newest[rows] = NEVER
        self.rings[rows] = 0
        self.decayed[rows] = 0.0

    def count(self, rows: Rows, counter: int, times_ms: Integers) -> None:
        """Count one event of a counter for each of `rows` int64[n], repeats included, at `times_ms` int64[n]."""
        touched = np.unique(rows)
        before = self.newest[touched, counter]
        np.maximum.at(self.newest[:, counter], rows, times_ms)
        after = self.newest[touched, counter]
        newest = self.newest[rows, counter]
        for window in np.flatnonzero(self.window_counter == counter).tolist():
            width_ms = self.widths_ms[window]
            self._move_rings(touched, window, after // width_ms - before // width_ms)
            ages = newest // width_ms - times_ms // width_ms
            kept = ages < NUM_BUCKETS
            places = (rows[kept] * len(self.windows) + window) * NUM_BUCKETS + ages[kept]
            np.add.at(self.rings.reshape(-1), places, np.uint32(1))
        for column in np.flatnonzero(self.half_life_counter == counter).tolist():
            half_life_ms = self.half_lives_ms[column]
            moved = before // half_life_ms - after // half_life_ms
            self.decayed[touched, column] = times_power_of_two(self.decayed[touched, column], moved)
            weights = weights_of(times_ms, half_life_ms, newest // half_life_ms)
            np.add.at(self.decayed.reshape(-1), rows * len(self.half_lives) + column, weights)

    def _move_rings(self, rows: Rows, window: int, by: Integers) -> None:
        """Let `by` int64[n] empty buckets in before the rings' newest ones."""
        is_moved = by > 0
        rows, by = rows[is_moved], by[is_moved]
        if not rows.size:
            return
        sources = _PLACES - np.minimum(by, NUM_BUCKETS)[:, np.newaxis]
        moved = np.take_along_axis(self.rings[rows, window], np.maximum(sources, 0), axis=1)
        moved[sources < 0] = 0
        self.rings[rows, window] = moved

    def window_counts(self, rows: Rows, own_newest: Integers, newest: Integers, now_ms: Integers) -> Floats:
        """float64[n, windows]: events of the 20 buckets that end with that of `now_ms` int64[n] or, should it be later, of `newest`
        int64[n, counters]; none later than `now_ms`. `own_newest` is of the rows themselves, `NEVER` where there is none.
        """
        heads = own_newest[:, self.window_counter] // self.widths_ms
        now = now_ms[:, np.newaxis] // self.widths_ms
        ends = np.maximum(newest[:, self.window_counter] // self.widths_ms, now)
        first = np.minimum(np.maximum(heads - now, 0), NUM_BUCKETS)
        last = np.maximum(heads - ends + NUM_BUCKETS, 0)
        counts: npt.NDArray[np.uint32] = np.einsum("nwp,nwp->nw", self.rings[rows], _IS_COUNTED[first, last])
        return counts.astype(np.float64)

    def decayed_sums(self, rows: Rows, own_newest: Integers, newest: Integers) -> Floats:
        """float64[n, half-lives]: the sums as they are with a later `newest` int64[n, counters]."""
        own = own_newest[:, self.half_life_counter]
        moved = own // self.half_lives_ms - newest[:, self.half_life_counter] // self.half_lives_ms
        sums: Floats = np.where(own == NEVER, 0.0, self.decayed[rows])
        return times_power_of_two(sums, moved)

    def decayed_counts(self, sums: Floats, newest: Integers, now_ms: Integers) -> Floats:
        """float64[n, half-lives]: the sums of `decayed_sums` as of `now_ms` int64[n], or of `newest` should that be later."""
        bases = newest[:, self.half_life_counter]
        times = np.maximum(now_ms[:, np.newaxis], bases)
        fractions = times % self.half_lives_ms / self.half_lives_ms
        moved = bases // self.half_lives_ms - times // self.half_lives_ms
        return times_power_of_two(sums * np.exp2(-fractions), moved)


def weights_of(times_ms: Integers, half_life_ms: Any, bases: Integers) -> Floats:
    """2 ** (time / half-life - base), in two factors of which one is exact: the sums' bits do not depend on the base."""
    fractions = times_ms % half_life_ms / half_life_ms
    return times_power_of_two(np.exp2(fractions), times_ms // half_life_ms - bases)


def times_power_of_two(numbers: Floats, exponents: npt.NDArray[Any]) -> Floats:
    result: Floats = np.ldexp(numbers, np.clip(exponents, -_MAX_SHIFT, _MAX_SHIFT).astype(np.int32))
    return result
