"""Counters that count by the same keys: one index, one row a key, and the order of events kept within a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.features.counter_keys import Mask
from engine.features.counter_rows import NEVER, CounterRows, Floats, Integers, weights_of
from engine.features.key_rows import KeyRows, Keys, Rows
from engine.spec.counter import NUM_BUCKETS, Counter

INDEX_BYTES: Final = 25
"""What `KeyRows` takes for one row, at most."""

EVICTED_SHARE: Final = 8
_MAX_PAIRS: Final = 200_000
_DECIMALS: Final = 4


@dataclass(frozen=True, slots=True)
class Notes:
    """Events to count, in order: `keys` uint64[n], `times_ms` int64[n], and of which counters each is, `is_of` bool[n, counters]."""

    keys: Keys
    times_ms: Integers
    is_of: Mask

    def __len__(self) -> int:
        return len(self.keys)

    def part(self, chosen: Any) -> Notes:
        return Notes(self.keys[chosen], self.times_ms[chosen], self.is_of[chosen])


@dataclass(frozen=True, slots=True)
class Reads:
    """Keys to read, uint64[n], as of `now_ms` int64[n], each after the first `after` int64[n] of the notes; ascending."""

    keys: Keys
    now_ms: Integers
    after: Integers

    def __len__(self) -> int:
        return len(self.keys)

    def part(self, chosen: slice, num_notes_before: int) -> Reads:
        return Reads(self.keys[chosen], self.now_ms[chosen], self.after[chosen] - num_notes_before)


class CounterTable:
    """At most `max_keys` keys; the stalest eighth (by their newest events) gives way when one more comes. Not thread-safe."""

    def __init__(self, counters: Mapping[str, Counter], max_keys: int) -> None:
        self.counters = dict(counters)
        self.index = KeyRows(max_keys)
        self.rows = CounterRows(counters, max_keys)
        self.num_evicted = 0

    @staticmethod
    def bytes_per_key(counters: Mapping[str, Counter]) -> int:
        return INDEX_BYTES + CounterRows.row_bytes(counters)

    def replay(self, notes: Notes, reads: Reads) -> Floats:
        """Count the notes; answers what each read gives after the notes before it, float64[num_reads, num_values].

        Equal to the bit to doing one after another: where a batch would not be (keys have to give way, or one key is in it too
        often), it is done in halves.
        """
        new = np.unique(notes.keys)
        new = new[self.index.find(new) < 0]
        pairs = _pairs(notes, reads)
        if len(new) > self.index.num_free or pairs.num_pairs > _MAX_PAIRS:
            return self._replay_one(notes, reads) if len(notes) == 1 else self._replay_halves(notes, reads)
        values = self._read(reads, notes, pairs)
        self._count(notes, new)
        return values

    def read(self, keys: Keys, now_ms: int) -> Floats:
        """float64[n, num_values] as of now."""
        own_newest, rows = self._newest_of(keys)
        return self._finished(rows, own_newest, own_newest, np.full(len(keys), now_ms))

    def _replay_halves(self, notes: Notes, reads: Reads) -> Floats:
        half = len(notes) // 2
        num_first = int(np.searchsorted(reads.after, half, side="right"))
        first = self.replay(notes.part(slice(None, half)), reads.part(slice(None, num_first), 0))
        second = self.replay(notes.part(slice(half, None)), reads.part(slice(num_first, None), half))
        return np.concatenate([first, second])

    def _replay_one(self, note: Notes, reads: Reads) -> Floats:
        num_before = int(np.searchsorted(reads.after, 0, side="right"))
        before, after = (reads.part(slice(None, num_before), 0), reads.part(slice(num_before, None), 1))
        values = self._read(before, note, _NO_PAIRS)
        new = note.keys[self.index.find(note.keys) < 0]
        if len(new) > self.index.num_free:
            self._evict()
        self._count(note, new)
        return np.concatenate([values, self._read(after, note, _NO_PAIRS)])

    def _count(self, notes: Notes, new: Keys) -> None:
        if new.size:
            self.rows.clear(self.index.add(new))
        rows = self.index.find(notes.keys)
        for counter in range(len(self.counters)):
            chosen = notes.is_of[:, counter]
            if chosen.any():
                self.rows.count(rows[chosen], counter, notes.times_ms[chosen])

    def _read(self, reads: Reads, notes: Notes, pairs: _Pairs) -> Floats:
        own_newest, rows = self._newest_of(reads.keys)
        if not pairs.num_pairs:
            return self._finished(rows, own_newest, own_newest, reads.now_ms)
        times_ms = notes.times_ms[pairs.notes]
        newest = own_newest.copy()
        chosen = [notes.is_of[pairs.notes, counter] for counter in range(len(self.counters))]
        for counter, of_counter in enumerate(chosen):
            np.maximum.at(newest[:, counter], pairs.reads[of_counter], times_ms[of_counter])
        values = self.rows
        counts = values.window_counts(rows, own_newest, newest, reads.now_ms)
        for window, counter in enumerate(values.window_counter.tolist()):
            of_counter, width_ms = chosen[counter], values.widths_ms[window]
            now = reads.now_ms // width_ms
            ends = np.maximum(now, newest[:, counter] // width_ms)
            which, buckets = pairs.reads[of_counter], times_ms[of_counter] // width_ms
            is_in = (buckets <= now[which]) & (buckets > ends[which] - NUM_BUCKETS)
            counts[:, window] += np.bincount(which[is_in], minlength=len(reads))
        sums = values.decayed_sums(rows, own_newest, newest)
        for column, counter in enumerate(values.half_life_counter.tolist()):
            of_counter, half_life_ms = chosen[counter], values.half_lives_ms[column]
            which = pairs.reads[of_counter]
            weights = weights_of(times_ms[of_counter], half_life_ms, newest[which, counter] // half_life_ms)
            np.add.at(sums[:, column], which, weights)
        decayed = values.decayed_counts(sums, newest, reads.now_ms)
        return np.concatenate([counts, np.round(decayed, _DECIMALS)], axis=1)

    def _finished(self, rows: Rows, own_newest: Integers, newest: Integers, now_ms: Integers) -> Floats:
        values = self.rows
        counts = values.window_counts(rows, own_newest, newest, now_ms)
        if not values.half_lives:
            return counts
        decayed = values.decayed_counts(values.decayed_sums(rows, own_newest, newest), newest, now_ms)
        return np.concatenate([counts, np.round(decayed, _DECIMALS)], axis=1)

    def _newest_of(self, keys: Keys) -> tuple[Integers, Rows]:
        """The newest events' times of each key int64[n, counters], and its row; of a key without row any row, and `NEVER`."""
        rows = self.index.find(keys)
        newest: Integers = np.where(rows[:, np.newaxis] < 0, NEVER, self.rows.newest[rows])
        return newest, np.maximum(rows, 0)

    def _evict(self) -> None:
        used = self.index.used()
        newest = self.rows.newest[used].max(axis=1)
        num_evicted = max(1, self.index.max_rows // EVICTED_SHARE)
        last = np.partition(newest, num_evicted - 1)[num_evicted - 1]
        stalest, as_stale = used[newest < last], used[newest == last]
        # Of equally stale ones the smaller key goes, so that it does not depend on where a row lies.
        as_stale = as_stale[np.argsort(self.index.keys_of(as_stale))]
        self.index.remove(np.concatenate([stalest, as_stale[: num_evicted - len(stalest)]]))
        self.num_evicted += num_evicted


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Every read with each note of its key before it: their numbers int64[p], notes of one read in order."""

    reads: npt.NDArray[np.int64]
    notes: npt.NDArray[np.int64]
    num_pairs: int


_NO_PAIRS: Final = _Pairs(np.empty(0, np.int64), np.empty(0, np.int64), 0)


def _pairs(notes: Notes, reads: Reads) -> _Pairs:
    """Where there are more than `_MAX_PAIRS`, only how many."""
    if not len(notes) or not len(reads):
        return _NO_PAIRS
    _, groups = np.unique(np.concatenate([notes.keys, reads.keys]), return_inverse=True)
    span = len(notes) + 1
    order = np.argsort(groups[: len(notes)], kind="stable")
    places = groups[order] * span + order
    of_reads = groups[len(notes) :] * span
    starts = np.searchsorted(places, of_reads)
    lengths = np.searchsorted(places, of_reads + reads.after) - starts
    num_pairs = int(lengths.sum())
    if not 0 < num_pairs <= _MAX_PAIRS:
        return _Pairs(_NO_PAIRS.reads, _NO_PAIRS.notes, num_pairs)
    ends = np.cumsum(lengths)
    offsets = np.arange(num_pairs) - np.repeat(ends - lengths, lengths)
    return _Pairs(np.repeat(np.arange(len(reads)), lengths), order[np.repeat(starts, lengths) + offsets], num_pairs)
