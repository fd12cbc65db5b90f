"""What is acted on most of late: action counts that halve with every half-life of event time.

The forward decay of Cormode et al. (Forward Decay, ICDE 2009): an action at time t weighs 2^(t / half-life). The sum's order
among items is the decayed count's order at any later moment, so nothing has to be aged, and late events need no special care.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections.abc import Sequence

from engine.retrieval.asker import Asker
from engine.retrieval.source import Action, Eligible, Scored

MAX_TRACKED_ITEMS = 200_000


class TrendingItems:
    """Decayed action counts by item, a source under any `name`. Safe to call from several threads.

    At most `max_items` items (at least four times `top_size`) are tracked; beyond that the lower half is forgotten.
    """

    def __init__(
        self,
        name: str = "trending",
        *,
        half_life_s: float = 6 * 3600.0,
        top_size: int = 256,
        max_items: int = MAX_TRACKED_ITEMS,
    ) -> None:
        if half_life_s <= 0 or top_size < 1 or max_items < 4 * top_size:
            raise ValueError(f"half_life_s={half_life_s}, top_size={top_size}, max_items={max_items}")
        self.name = name
        self._half_life_ms = half_life_s * 1000.0
        self._top_size = top_size
        self._max_items = max_items
        self._lock = threading.Lock()
        # log2 of each sum: the weights themselves overflow a double within weeks.
        self._log_weights: dict[str, float] = {}
        self._top: dict[str, float] = {}
        self._top_floor = -math.inf
        self._newest = -math.inf
        # The answer to every question until something changes: requests come more often than polls.
        self._ranked: tuple[Scored, ...] | None = None

    def candidates(self, asker: Asker, num_items: int, eligible: Eligible) -> list[Scored]:
        """By decayed count, among the `top_size` greatest of all."""
        del asker  # the same for everyone
        return eligible.first(self._ranking(), num_items)

    def observe(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self._count(action.item_id, action.time_ms / self._half_life_ms)

    def _count(self, item_id: str, weight: float) -> None:
        with self._lock:
            total = _log2_of_sum(self._log_weights.get(item_id, -math.inf), weight)
            self._log_weights[item_id] = total
            self._newest = max(self._newest, weight)
            self._ranked = None
            # A sum never shrinks, so that the top changes only by what has just grown.
            if item_id in self._top or total > self._top_floor:
                self._top[item_id] = total
                if len(self._top) > 2 * self._top_size:
                    self._cut_top()
            if len(self._log_weights) > self._max_items:
                self._log_weights = dict(heapq.nlargest(self._max_items // 2, self._log_weights.items(), key=_order))

    def forget(self, item_id: str) -> None:
        """Forget a deleted item."""
        with self._lock:
            self._ranked = None
            if self._log_weights.pop(item_id, None) is not None and self._top.pop(item_id, None) is not None:
                self._top = dict(self._log_weights)
                self._cut_top()

    def clear(self) -> None:
        with self._lock:
            self._log_weights, self._top, self._ranked = {}, {}, None
            self._top_floor = self._newest = -math.inf

    def top(self, num_items: int) -> list[tuple[str, float]]:
        """At most `num_items` (at most `top_size`) of (item id, decayed count as of the newest action), greatest first."""
        return list(self._ranking()[: max(0, num_items)])

    def _ranking(self) -> tuple[Scored, ...]:
        with self._lock:
            if self._ranked is None:
                best = heapq.nlargest(self._top_size, self._top.items(), key=_order)
                self._ranked = tuple((item_id, 2.0 ** (weight - self._newest)) for item_id, weight in best)
            return self._ranked

    def _cut_top(self) -> None:
        self._top = dict(heapq.nlargest(self._top_size, self._top.items(), key=_order))
        # What is not in the top may pass it unseen only if the floor is that of a full top.
        self._top_floor = min(self._top.values()) if len(self._top) == self._top_size else -math.inf


def _order(entry: tuple[str, float]) -> tuple[float, str]:
    return entry[1], entry[0]


def _log2_of_sum(a: float, b: float) -> float:
    high, low = (a, b) if a >= b else (b, a)
    return high if low == -math.inf else high + math.log2(1.0 + 2.0 ** (low - high))
