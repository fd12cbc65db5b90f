"""What is acted on most of late: action counts that halve with every half-life of event time.

The forward decay of Cormode et al. (Forward Decay, ICDE 2009): an action at time t weighs 2^(t / half-life). The sum's order
among items is the decayed count's order at any later moment, so nothing has to be aged, and late events need no special care.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np

from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.source import Action, Allowed, Found, allowed_first, best_first

MAX_TRACKED_ITEMS = 200_000


class TrendingItems:
    """Decayed action counts by item, a source under any `name`. `retrieve` from any thread, everything else from one.

    Requests find an array that is ready: what is observed counts in answers from the next `renew` on. At most `max_items` items (at
    least four times `top_size`) are tracked; beyond that the lower half is forgotten.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        name: str = "trending",
        *,
        half_life_s: float = 6 * 3600.0,
        top_size: int = 512,
        max_items: int = MAX_TRACKED_ITEMS,
    ) -> None:
        if half_life_s <= 0 or top_size < 1 or max_items < 4 * top_size:
            raise ValueError(f"half_life_s={half_life_s}, top_size={top_size}, max_items={max_items}")
        self.name = name
        self._catalogue = catalogue
        self._half_life_ms = half_life_s * 1000.0
        self._top_size = top_size
        self._max_items = max_items
        # log2 of each sum: the weights themselves overflow a double within weeks.
        self._log_weights: dict[str, float] = {}
        self._top: dict[str, float] = {}
        self._top_floor = -math.inf
        self._newest = -math.inf
        self._ready = Found.nothing()
        self._is_stale = False

    def retrieve(self, asker: Asker, num_items: int, allowed: Allowed) -> Found:
        """By decayed count as of the newest action, among the `top_size` greatest of all."""
        del asker  # the same for everyone
        return allowed_first(self._ready, num_items, allowed)

    def observe(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self._count(action.item_id, action.time_ms / self._half_life_ms)

    def note_catalogue(self, changes: ItemChanges) -> None:
        """Items that were written have rows from the next `renew` on; those deleted are forgotten."""
        self._is_stale = self._is_stale or bool(changes.written)
        for item_id in changes.deleted:
            self.forget(item_id)

    def renew(self) -> None:
        """Make what was observed the answer."""
        if not self._is_stale:
            return
        self._is_stale = False
        rows = self._catalogue.rows_of(self._top)
        weights = np.fromiter(self._top.values(), np.float64, len(self._top)) - self._newest
        known = rows >= 0
        self._ready = best_first(rows[known], np.exp2(weights[known]).astype(np.float32), self._top_size)

    def _count(self, item_id: str, weight: float) -> None:
        total = _log2_of_sum(self._log_weights.get(item_id, -math.inf), weight)
        self._log_weights[item_id] = total
        self._newest = max(self._newest, weight)
        self._is_stale = True
        # A sum never shrinks, so that the top changes only by what has just grown.
        if item_id in self._top or total > self._top_floor:
            self._top[item_id] = total
            if len(self._top) > 2 * self._top_size:
                self._cut_top()
        if len(self._log_weights) > self._max_items:
            self._log_weights = dict(heapq.nlargest(self._max_items // 2, self._log_weights.items(), key=_order))

    def forget(self, item_id: str) -> None:
        """Forget a deleted item."""
        self._is_stale = True
        if self._log_weights.pop(item_id, None) is not None and self._top.pop(item_id, None) is not None:
            self._top = dict(self._log_weights)
            self._cut_top()

    def clear(self) -> None:
        self._log_weights, self._top = {}, {}
        self._top_floor = self._newest = -math.inf
        self._is_stale = True

    def top(self, num_items: int) -> list[tuple[str, float]]:
        """At most `num_items` (at most `top_size`) of (item id, decayed count as of the newest action), greatest first."""
        best = heapq.nlargest(min(num_items, self._top_size), self._top.items(), key=_order)
        return [(item_id, 2.0 ** (weight - self._newest)) for item_id, weight in best]

    def _cut_top(self) -> None:
        self._top = dict(heapq.nlargest(self._top_size, self._top.items(), key=_order))
        # What is not in the top may pass it unseen only if the floor is that of a full top.
        self._top_floor = min(self._top.values()) if len(self._top) == self._top_size else -math.inf


def _order(entry: tuple[str, float]) -> tuple[float, str]:
    return entry[1], entry[0]


def _log2_of_sum(a: float, b: float) -> float:
    high, low = (a, b) if a >= b else (b, a)
    return high if low == -math.inf else high + math.log2(1.0 + 2.0 ** (low - high))
