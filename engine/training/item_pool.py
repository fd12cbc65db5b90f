"""The pool that negatives are drawn from: the items of the latest positives, repeats kept, so that a draw is by popularity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.training.draws import uniform_draws
from engine.training.item_catalogue import RowArray

POOL_WINDOW = 16_384


class ItemPool:
    """A ring of catalogue rows, one for each positive example in log order.

    Negatives of a positive are drawn uniformly from the `window` pushes before it, by a counter-based generator keyed with the
    example's place in the log. They depend on the log and the seed only: not on how the log was cut into batches, nor on restarts.
    (A catalogue row taken over by another item stands for the new item.)
    """

    def __init__(self, max_batch: int, window: int = POOL_WINDOW) -> None:
        """`max_batch`: how many rows one `push` may bring; the ring keeps as many beyond the window."""
        if max_batch < 1 or window < 1:
            raise ValueError(f"max_batch and window must be at least 1, received {max_batch} and {window}")
        self.window = window
        self.max_batch = max_batch
        self.num_pushed = 0
        self._ring = np.zeros(window + max_batch, np.int64)

    def push(self, rows: RowArray) -> RowArray:
        """Append rows; answers the count of pushes before each, int64[n], which `draw` asks for."""
        if rows.size > self.max_batch:
            raise ValueError(f"rows: at most {self.max_batch} at once, received {rows.size}")
        before = self.num_pushed + np.arange(rows.size, dtype=np.int64)
        self._ring[before % self._ring.size] = rows
        self.num_pushed += rows.size
        return before

    def draw(
        self, before: RowArray, keys: npt.NDArray[np.uint64], num_draws: int
    ) -> tuple[RowArray, npt.NDArray[np.bool_]]:
        """`num_draws` rows for each example from the `window` pushes before it.

        `before` int64[n] is what `push` answered (of this or an earlier push of the same batch), `keys` uint64[n] identifies the
        examples. Answers rows int64[n, num_draws] and whether there was anything to draw from, bool[n].
        """
        first = np.maximum(before - self.window, 0)
        sizes = before - first
        places = first[:, np.newaxis] + uniform_draws(keys, num_draws, np.maximum(sizes, 1))
        return self._ring[places % self._ring.size], sizes > 0

    def counts(self, num_rows: int) -> RowArray:
        """How often each catalogue row stands in the last `window` pushes, int64[num_rows]."""
        return np.bincount(self.recent(), minlength=num_rows)

    def effective_items(self) -> float:
        """1 / Σq² over the items' shares q of the window: how many items it would hold if all were equally frequent."""
        counts = np.bincount(self.recent()).astype(np.float64)
        return float(counts.sum() ** 2 / np.maximum((counts**2).sum(), 1.0))

    def recent(self) -> RowArray:
        """The last `window` pushes, oldest first."""
        size = min(self.num_pushed, self.window)
        return self._ring[np.arange(self.num_pushed - size, self.num_pushed) % self._ring.size]

    def restore(self, recent: RowArray, num_pushed: int) -> None:
        """Take over what `recent()` and `num_pushed` said of another pool with the same window."""
        self.num_pushed = num_pushed
        self._ring[np.arange(num_pushed - recent.size, num_pushed) % self._ring.size] = recent
