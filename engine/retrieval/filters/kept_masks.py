"""Masks of conditions that depend on the items alone: kept, and mended where an item has changed since."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import numpy as np

from engine.retrieval.catalogue import Catalogue
from engine.retrieval.filters.frame import Frame, Mask

MAX_KEPT: Final = 64
"""Of one catalogue; a mask takes a byte a row."""


class KeptMasks:
    """Those of one catalogue that were asked for last. Safe to call from several threads.

    A mask is mended in place: whoever reads it meanwhile sees a row as it was or as it is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._masks: OrderedDict[object, tuple[int, Mask]] = OrderedDict()

    def mended(self, condition: object, frame: Frame, run: Callable[[Frame], Mask | bool]) -> Mask | None:
        """bool[>= frame.num_rows], not to be written to; None when none was kept, or too much has changed since."""
        catalogue = frame.catalogue
        with self._lock:
            kept = self._masks.get(condition)
            if kept is not None:
                self._masks.move_to_end(condition)
        if kept is None:
            return None
        before, mask = kept
        num_changes = catalogue.num_changes
        if before == num_changes and mask.size >= frame.num_rows:
            return mask
        changed = catalogue.changed_since(before)
        if changed is None:
            return None
        if mask.size < catalogue.num_rows:
            # Rows whose change is not told yet are not servable yet: any answer will do for them.
            room = max(catalogue.num_rows - mask.size, mask.size // 4)
            mask = np.concatenate([mask, np.zeros(room, np.bool_)])
        mask[changed] = run(Frame(catalogue, changed, mask.size, frame.request))
        self.keep(condition, num_changes, mask)
        return mask

    def keep(self, condition: object, num_changes: int, mask: Mask) -> None:
        """`num_changes` of the catalogue from before the mask was worked out."""
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
