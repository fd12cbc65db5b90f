"""Which rows changed lately, so that what was worked out of all rows is mended instead of made anew."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.retrieval.item_rows import Rows

MAX_ROWS: Final = 16_384
MAX_BATCHES: Final = 256

Batch = tuple[int, Rows]


class ChangeJournal:
    """The newest batches of changed rows, each under the number of changes after it. One writer; readers need no lock."""

    def __init__(self) -> None:
        # One value, replaced whole: the number of changes before the first batch, and the batches, oldest first.
        self._kept: tuple[int, tuple[Batch, ...]] = (0, ())

    @property
    def num_changes(self) -> int:
        """Of all batches ever noted."""
        before, batches = self._kept
        return batches[-1][0] if batches else before

    def note(self, rows: Rows) -> None:
        """A batch of changed rows int32[n], once what changed can be read."""
        if not rows.size:
            return
        before, batches = self._kept
        batches = (*batches, (self.num_changes + rows.size, rows))
        num_rows = sum(each.size for _, each in batches)
        while len(batches) > MAX_BATCHES or num_rows > MAX_ROWS:
            (before, dropped), *rest = batches
            batches = tuple(rest)
            num_rows -= dropped.size
        self._kept = before, batches

    def since(self, num_changes: int) -> Rows | None:
        """int32[n]: rows changed after there were `num_changes`, perhaps several times; None when that is too long ago."""
        before, batches = self._kept
        if num_changes < before:
            return None
        newer = [rows for number, rows in batches if number > num_changes]
        return np.concatenate(newer) if newer else np.empty(0, np.int32)
