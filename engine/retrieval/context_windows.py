"""What each user (or session) acted on last, and so which items occur together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.retrieval.forward_decay import TimeArray
from engine.retrieval.neighbour_table import RowArray
from engine.retrieval.occurrence_ranks import rounds
from engine.retrieval.ragged import lengths_of, to_lists, write_lists

_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("context", pa.string()),
    pa.field("rows", pa.list_(pa.int64())),
    pa.field("times_ms", pa.list_(pa.int64())),
]
CONTEXTS_SCHEMA: Final = pa.schema(_FIELDS)


@dataclass(frozen=True, slots=True)
class Occurrences:
    """What n actions say. `is_first` bool[n]: the item was not in its context's window already. Pairs of items that occur together,
    int64[p] each, in the order of the actions: the item acted on `earlier`, the one `later`, and `action`, the number of the later."""

    is_first: npt.NDArray[np.bool_]
    earlier: RowArray
    later: RowArray
    action: RowArray


class ContextWindows:
    """The last `window_items` different items of the `max_contexts` contexts acted in last, as rows of some numbering of items.

    Two items occur together when one context acts on both within `max_gap_s` and with fewer than `window_items` others in between. An
    item acted on again within that time, while in the window, is the newest again and says nothing more. Not thread-safe.
    """

    def __init__(self, window_items: int, max_gap_s: float, max_contexts: int) -> None:
        if window_items < 1 or max_gap_s <= 0 or max_contexts < 1:
            raise ValueError(f"window_items={window_items}, max_gap_s={max_gap_s}, max_contexts={max_contexts}")
        self._max_gap_ms = round(max_gap_s * 1000)
        self._max_contexts = max_contexts
        # The place of each context, least recently acted in first.
        self._place_of: OrderedDict[str, int] = OrderedDict()
        self._rows = np.full((0, window_items), -1, np.int64)
        self._times_ms = np.zeros((0, window_items), np.int64)

    def __len__(self) -> int:
        return len(self._place_of)

    def copied(self) -> ContextWindows:
        """As they are now, while these go on."""
        copy = ContextWindows(self._rows.shape[1], self._max_gap_ms / 1000.0, self._max_contexts)
        copy._place_of = self._place_of.copy()
        num_places = len(self._place_of)
        copy._rows, copy._times_ms = self._rows[:num_places].copy(), self._times_ms[:num_places].copy()
        return copy

    def observe(self, contexts: Sequence[str], rows: RowArray, times_ms: TimeArray) -> Occurrences:
        """Actions in order: context i acted on item `rows[i]` at `times_ms[i]`, int64[n] each."""
        places, is_new = self._places(contexts)
        is_first = np.zeros(rows.size, np.bool_)
        found: list[tuple[RowArray, RowArray]] = []
        for chosen in rounds(places):
            self._rows[places[chosen[is_new[chosen]]]] = -1
            first, members, columns = self._step(places[chosen], rows[chosen], times_ms[chosen])
            is_first[chosen] = first
            found.append((chosen[members], self._rows[places[chosen[members]], columns]))
            self._push(places[chosen], rows[chosen], times_ms[chosen])
        action = np.concatenate([np.empty(0, np.int64), *(each for each, _ in found)])
        earlier = np.concatenate([np.empty(0, np.int64), *(each for _, each in found)])
        order = np.argsort(action, kind="stable")
        return Occurrences(is_first, earlier[order], rows[action[order]], action[order])

    def forget(self, context: str) -> bool:
        """What happened in the context is forgotten; whether anything was known. Its place is the next to be another's."""
        place = self._place_of.pop(context, None)
        if place is None:
            return False
        self._rows[place] = -1
        # Places are numbered without gaps, so a stand-in that no context can be called holds this one.
        stand_in = f"\x00{place}"
        self._place_of[stand_in] = place
        self._place_of.move_to_end(stand_in, last=False)
        return True

    def _step(
        self, places: RowArray, rows: RowArray, times_ms: TimeArray
    ) -> tuple[npt.NDArray[np.bool_], RowArray, RowArray]:
        """For one action of each of n contexts: whether it is a first, and (action, column) of what it occurs together with."""
        window = self._rows[places]
        is_near = (window >= 0) & (np.abs(self._times_ms[places] - times_ms[:, np.newaxis]) <= self._max_gap_ms)
        is_same = window == rows[:, np.newaxis]
        is_first = ~(is_near & is_same).any(axis=1)
        members, columns = np.nonzero(is_near & ~is_same & is_first[:, np.newaxis])
        return is_first, members, columns

    def _push(self, places: RowArray, rows: RowArray, times_ms: TimeArray) -> None:
        """Make the items the newest, in the last column; each takes the place of itself, or else of the oldest."""
        window = self._rows[places]
        replaced = (window == rows[:, np.newaxis]).argmax(axis=1)
        columns = np.arange(window.shape[1] - 1)[np.newaxis, :]
        source = columns + (columns >= replaced[:, np.newaxis])
        for values, newest in ((self._rows, rows), (self._times_ms, times_ms)):
            moved = np.take_along_axis(values[places], source, axis=1)
            values[places] = np.concatenate([moved, newest[:, np.newaxis]], axis=1)

    def _places(self, contexts: Sequence[str]) -> tuple[RowArray, npt.NDArray[np.bool_]]:
        """The place of each action's context, and whether the context is new there."""
        places, is_new = np.empty(len(contexts), np.int64), np.zeros(len(contexts), np.bool_)
        for number, context in enumerate(contexts):
            place = self._place_of.get(context)
            if place is None:
                is_new[number] = True
                is_full = len(self._place_of) >= self._max_contexts
                place = self._place_of.popitem(last=False)[1] if is_full else len(self._place_of)
                self._place_of[context] = place
            else:
                self._place_of.move_to_end(context)
            places[number] = place
        self._grow(len(self._place_of))
        return places, is_new

    def _grow(self, num_places: int) -> None:
        if num_places > len(self._rows):
            size, width = max(num_places, 2 * len(self._rows), 64), self._rows.shape[1]
            rows, times_ms = np.full((size, width), -1, np.int64), np.zeros((size, width), np.int64)
            rows[: len(self._rows)], times_ms[: len(self._rows)] = self._rows, self._times_ms
            self._rows, self._times_ms = rows, times_ms

    def renumber(self, new_number: RowArray) -> None:
        """Item row r becomes `new_number[r]`, -1 for an item to forget."""
        rows = np.where(self._rows >= 0, new_number[self._rows], -1)
        to_the_right = np.argsort(rows >= 0, axis=1, kind="stable")
        self._rows = np.take_along_axis(rows, to_the_right, axis=1)
        self._times_ms = np.take_along_axis(self._times_ms, to_the_right, axis=1)

    def to_arrow(self) -> pa.Table:
        """Every context, least recently acted in first, items oldest first, as `CONTEXTS_SCHEMA`."""
        places = np.fromiter(self._place_of.values(), np.int64, len(self._place_of))
        rows, times_ms = self._rows[places], self._times_ms[places]
        columns: list[Any] = [pa.array(list(self._place_of), pa.string())]
        columns += [to_lists(values, rows >= 0) for values in (rows, times_ms)]
        return pa.table(columns, schema=CONTEXTS_SCHEMA)

    def load(self, table: pa.Table) -> None:
        """Take over what `to_arrow` of a collection with the same settings answered."""
        columns = table.cast(CONTEXTS_SCHEMA).combine_chunks()
        contexts: list[Any] = columns.column("context").to_pylist()
        self._place_of = OrderedDict(zip(contexts, range(len(contexts)), strict=True))
        width = self._rows.shape[1]
        self._rows, self._times_ms = np.full((0, width), -1, np.int64), np.zeros((0, width), np.int64)
        self._grow(len(contexts))
        lengths = np.zeros(len(self._rows), np.int32)
        lengths[: len(contexts)] = lengths_of(columns.column("rows"))
        filled = np.arange(width) >= width - lengths[:, np.newaxis]
        write_lists(columns.column("rows"), self._rows, filled)
        write_lists(columns.column("times_ms"), self._times_ms, filled)
