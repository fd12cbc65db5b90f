"""Items that this process has marked as seen a while ago: a busy project's events are about the same few thousand, turn after turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

MAX_ITEMS: Final = 300_000
KEPT_S: Final = 600.0
"""An item that was deleted and made anew has lost its mark, and gets it again after so long at the latest."""


class SeenLately:
    """Of each project so many ids at most, for so long at most. Not thread-safe."""

    def __init__(
        self, *, max_items: int = MAX_ITEMS, kept_s: float = KEPT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_items, self._kept_s, self._clock = max_items, kept_s, clock
        self._known: dict[int, tuple[float, set[str]]] = {}

    def without_known(self, project_id: int, item_ids: Collection[str]) -> set[str]:
        """Those that have to be marked."""
        since_s, known = self._known.get(project_id, (0.0, set()))
        if known and self._clock() - since_s >= self._kept_s:
            del self._known[project_id]
            known = set()
        return set(item_ids) - known

    def note(self, project_id: int, item_ids: Collection[str]) -> None:
        """They are marked, and that is committed."""
        _, known = self._known.setdefault(project_id, (self._clock(), set()))
        if len(known) + len(item_ids) > self._max_items:
            known.clear()
        known.update(item_ids)
