"""Masks of conditions that depend on the items alone, kept until an item changes."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from typing import Final

from engine.retrieval.catalogue import Catalogue
from engine.retrieval.filters.frame import Mask

MAX_KEPT: Final = 64
"""Of one catalogue; a mask takes a byte a row."""


class KeptMasks:
    """Those of one catalogue that were asked for last. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._masks: OrderedDict[object, tuple[int, Mask]] = OrderedDict()

    def find(self, condition: object, num_changes: int, num_rows: int) -> Mask | None:
        """bool[>= num_rows], not to be written to; None unless it was kept at this state of the catalogue."""
        with self._lock:
            kept = self._masks.get(condition)
            if kept is None or kept[0] != num_changes or kept[1].size < num_rows:
                return None
            self._masks.move_to_end(condition)
            return kept[1]

    def keep(self, condition: object, num_changes: int, mask: Mask) -> None:
        with self._lock:
            self._masks[condition] = num_changes, mask
            self._masks.move_to_end(condition)
            if len(self._masks) > MAX_KEPT:
                self._masks.popitem(last=False)


def masks_of(catalogue: Catalogue) -> KeptMasks:
    found = _of_catalogue.get(catalogue)
    if found is None:
        with _lock:
            found = _of_catalogue.setdefault(catalogue, KeptMasks())
    return found


_lock: Final = threading.Lock()
_of_catalogue: Final[weakref.WeakKeyDictionary[Catalogue, KeptMasks]] = weakref.WeakKeyDictionary()
