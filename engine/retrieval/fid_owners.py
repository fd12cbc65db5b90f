"""Which items have a FID among their features, so that a changed embedding row names the vectors that changed with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.features.encoded import EncodedBatch, FidArray

_PAIR = np.dtype([("fid", np.uint64), ("number", np.int32), ("age", np.int64), ("own", np.bool_)])
_MIN_TAIL = 65_536


@dataclass(frozen=True, slots=True)
class Owners:
    """`own`: items whose id has one of the FIDs asked for; `shared`: items that have one through a property."""

    own: list[str]
    shared: list[str]


class FidOwners:
    """Pairs of (FID, item) sorted by FID, with an unsorted tail that is merged in as it grows. For one thread at a time.

    A pair counts only while its item has the age it was written with, so that changing or forgetting an item is O(its FIDs).
    """

    def __init__(self) -> None:
        self._ids: list[str | None] = []
        self._number_of: dict[str, int] = {}
        self._free: list[int] = []
        self._ages = np.zeros(1024, np.int64)
        self._sorted = np.empty(0, _PAIR)
        self._tail: list[npt.NDArray[np.void]] = []
        self._tail_size = 0

    def write(self, item_ids: Sequence[str], batch: EncodedBatch, own_slots: Iterable[str]) -> None:
        """Set the FIDs of n different items to those of `batch` (n rows, item side); `own_slots` are the slots of `item.id`."""
        numbers = np.fromiter((self._renew(item_id) for item_id in item_ids), np.int32, len(item_ids))
        own = set(own_slots)
        for name, values in batch.slots.items():
            pairs = np.empty(values.fids.size, _PAIR)
            pairs["fid"] = values.fids
            pairs["number"] = np.repeat(numbers, values.lengths)
            pairs["age"] = self._ages[pairs["number"]]
            pairs["own"] = name in own
            self._tail.append(pairs)
            self._tail_size += pairs.size
        if self._tail_size > max(_MIN_TAIL, self._sorted.size // 4):
            self._merge()

    def forget(self, item_id: str) -> None:
        number = self._number_of.pop(item_id, None)
        if number is not None:
            self._ids[number] = None
            self._ages[number] += 1
            self._free.append(number)

    def items_of(self, fids: FidArray) -> Owners:
        """The items that have any of `fids` uint64[n]."""
        wanted = np.unique(fids)
        first = np.searchsorted(self._sorted["fid"], wanted, "left")
        counts = np.searchsorted(self._sorted["fid"], wanted, "right") - first
        places = np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(counts.sum())
        found = [self._sorted[places], *(pairs[np.isin(pairs["fid"], wanted)] for pairs in self._tail)]
        pairs = self._valid(np.concatenate(found))
        own = set(np.unique(pairs["number"][pairs["own"]]).tolist())
        shared = set(np.unique(pairs["number"][~pairs["own"]]).tolist()) - own
        return Owners(self._names(own), self._names(shared))

    def _renew(self, item_id: str) -> int:
        number = self._number_of.get(item_id)
        if number is None:
            number = self._free.pop() if self._free else len(self._ids)
            self._number_of[item_id] = number
            if number == len(self._ids):
                self._ids.append(item_id)
                if number == self._ages.size:
                    self._ages = np.concatenate([self._ages, np.zeros_like(self._ages)])
            else:
                self._ids[number] = item_id
        self._ages[number] += 1
        return number

    def _names(self, numbers: set[int]) -> list[str]:
        return [name for number in sorted(numbers) if (name := self._ids[number]) is not None]

    def _valid(self, pairs: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        valid: npt.NDArray[np.void] = pairs[self._ages[pairs["number"]] == pairs["age"]]
        return valid

    def _merge(self) -> None:
        pairs = self._valid(np.concatenate([self._sorted, *self._tail]))
        self._sorted = pairs[np.argsort(pairs["fid"], kind="stable")]
        self._tail, self._tail_size = [], 0
