"""What negatives of an action are drawn from: the items of the actions before it, repeats kept, so that a draw is by popularity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import xxhash

WINDOW: Final = 16_384
"""The last so many actions, as many as a trainer's own pool holds (`engine.training.item_pool`)."""


class RecentItems:
    """A ring of item ids, one for each action that became an example, in their order.

    A draw is a function of the event's id, the seed and the actions before: not of how events were cut into batches, nor of restarts.
    """

    def __init__(self, window: int = WINDOW, seed: int = 0) -> None:
        if window < 1:
            raise ValueError(f"window must be at least 1, received {window}")
        self._window = window
        self._seed = seed
        self._ring: list[str] = []
        # The place in the ring of the oldest, once it is full.
        self._oldest = 0
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ring)

    def push(self, item_id: str) -> None:
        self._counts[item_id] = self._counts.get(item_id, 0) + 1
        if len(self._ring) < self._window:
            self._ring.append(item_id)
            return
        gone = self._ring[self._oldest]
        self._ring[self._oldest] = item_id
        self._oldest = (self._oldest + 1) % self._window
        if self._counts[gone] == 1:
            del self._counts[gone]
        else:
            self._counts[gone] -= 1

    def draw(self, event_id: str, num_draws: int) -> list[str]:
        """`num_draws` items, each uniformly from the actions in the ring; none when it is empty. Repeats are possible."""
        key, size = event_id.encode(), len(self._ring)
        if not size:
            return []
        # The upper 32 bits times the size: the bias is below size / 2**32.
        ring, oldest, digest = self._ring, self._oldest, xxhash.xxh64_intdigest
        seeds = range(self._seed, self._seed + num_draws)
        return [ring[(oldest + ((digest(key, seed) >> 32) * size >> 32)) % size] for seed in seeds]

    def count(self, item_id: str) -> int:
        """How many of the actions in the ring were on this item."""
        return self._counts.get(item_id, 0)

    def forget(self, item_id: str) -> int:
        """The item is drawn no more; answers how often it was in the ring."""
        num = self._counts.get(item_id, 0)
        if num:
            self.restore([each for each in self.oldest_first() if each != item_id])
        return num

    def oldest_first(self) -> list[str]:
        return self._ring[self._oldest :] + self._ring[: self._oldest]

    def restore(self, item_ids: Iterable[str]) -> None:
        """Take over what `oldest_first` of another ring answered."""
        self._ring, self._oldest, self._counts = [], 0, {}
        for item_id in item_ids:
            self.push(item_id)
