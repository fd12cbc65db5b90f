"""Small numbers for the ids of items that users did something with, given back when nothing refers to them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt


class ItemNumbers:
    """Item ids by number, each with a count of its uses. An id without uses is forgotten, and its number is another's. Not thread-safe.

    Not the catalogue's rows: a history goes on naming an item that was deleted, and is read before the catalogue is.
    """

    def __init__(self) -> None:
        self._number_of: dict[str, int] = {}
        self._ids: list[str | None] = []
        self._uses = array("I")
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._number_of)

    def number_of(self, item_id: str) -> int:
        """The item's number, made where there is none. It lasts only if it is used."""
        number = self._number_of.get(item_id)
        if number is None:
            number = self._new_number(item_id)
        return number

    def use(self, number: int) -> None:
        self._uses[number] += 1

    def release(self, number: int) -> None:
        """One use less."""
        self._uses[number] -= 1
        if not self._uses[number]:
            item_id = self._ids[number]
            assert item_id is not None
            # One that was forgotten has no name to be found by.
            self._number_of.pop(item_id, None)
            self._ids[number] = None
            self._free.append(number)

    def forget(self, item_id: str) -> None:
        """The item's number names nothing any more, wherever it is used; used again, the item has another."""
        number = self._number_of.pop(item_id, None)
        if number is not None:
            self._ids[number] = ""

    def release_all(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.release(number)

    def ids_of(self, numbers: Iterable[int]) -> list[str]:
        """The ids of numbers in use; empty for an item that was forgotten."""
        ids = self._ids
        return [ids[number] or "" for number in numbers]

    def copied_ids(self) -> list[str | None]:
        """The id of every number, None for one that nobody has; a copy."""
        return self._ids.copy()

    def restore(self, ids: Sequence[str | None], uses: npt.NDArray[np.int64]) -> None:
        """Take over what `copied_ids` answered, and how often each number is used, int64[n]."""
        self._ids = [each if used else None for each, used in zip(ids, uses.tolist(), strict=True)]
        self._number_of = {each: number for number, each in enumerate(self._ids) if each}
        self._uses = array("I", uses.astype(np.uint32).tobytes())
        self._free = [number for number, each in enumerate(self._ids) if each is None]

    def _new_number(self, item_id: str) -> int:
        if self._free:
            number = self._free.pop()
            self._ids[number] = item_id
        else:
            number = len(self._ids)
            self._ids.append(item_id)
            self._uses.append(0)
        self._number_of[item_id] = number
        return number
