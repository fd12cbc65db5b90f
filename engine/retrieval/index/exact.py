"""Search by the dot product with every vector: what is fastest while the vectors, a byte a number, fit the processor's cache."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.errors import EngineError
from engine.retrieval.index.best import best, likely_best
from engine.retrieval.index.vector_rows import RowsView, VectorRows, Vectors
from engine.retrieval.source import Allowed, Found, Mask, Scores

_SCANNED_FROM: Final = 4_096
"""So few rows in floats are read as soon as their bytes, and need no second look."""

_SPARE: Final = 4
"""So many times the rows asked for are looked at first: a filter that keeps a third of the items seldom needs more."""


class ExactIndex(VectorRows):
    """A `VectorIndex` that misses nothing."""

    def search(self, user: Vectors, num: int, allowed: Allowed | None = None) -> Found:
        """As `VectorIndex.search`; exact."""
        return search_all(self.view(), user, num, allowed)

    def maintain(self) -> bool:
        """There is nothing to do."""
        return False


def search_all(view: RowsView, user: Vectors, num: int, allowed: Allowed | None) -> Found:
    """The best `num` allowed rows of all. Raises `EngineError` for a user vector that is not finite.

    Of many rows the best are chosen by products of bytes, and told by those of floats: the bound on how far the first are off says which
    rows can be among the best. Where it is not known what of the whole catalogue is allowed, that is asked of the best rows only, and of
    the whole catalogue when too few of these are.
    """
    check_user(user)
    num_rows = view.present.size
    if num <= 0 or num_rows == 0:
        return Found.nothing()
    if view.scan is not None and num_rows >= _SCANNED_FROM:
        mask = None if allowed is None else allowed.mask_if_ready()
        if allowed is None or mask is not None:
            wanted = np.ascontiguousarray(user, np.float32)
            return Found(*view.scan.best(view.vectors, view.present, mask, wanted, num))
    if _SPARE * num < num_rows // 2:
        found = _likely(view, user, num, allowed)
        if found is not None:
            return found
    return search_some(view, allowed_rows(view.present, allowed), user, num)


def _likely(view: RowsView, user: Vectors, num: int, allowed: Allowed | None) -> Found | None:
    """The best, from among the rows that look best; None when these may not hold all of them."""
    scores, off = _products(view, user)
    rows, bound = likely_best(scores, _SPARE * num)
    rows = rows[view.present[rows]]
    if allowed is not None:
        rows = rows[allowed.keep(rows)]
    if rows.size < num:
        return None
    found = best(rows, scores[rows] if off == 0.0 else view.vectors.take(rows, axis=0) @ user, num)
    # What was not looked at is below the bound, and by so much less than these at least.
    return found if float(found.scores[-1]) >= bound + off else None


def _products(view: RowsView, user: Vectors) -> tuple[Scores, float]:
    """With all rows, float32[num_rows], and how far each is off at most."""
    num_rows = view.present.size
    if view.scan is None or num_rows < _SCANNED_FROM:
        return view.vectors @ user, 0.0
    return view.scan.products(np.ascontiguousarray(user, np.float32), num_rows)


def search_some(view: RowsView, kept: Mask, user: Vectors, num: int) -> Found:
    """The best `num` of the rows where `kept` bool[num_rows]; costs by their number."""
    rows = np.flatnonzero(kept).astype(np.int32)
    if rows.size > view.present.size // 2:
        return best(rows, (view.vectors @ user)[rows], num)
    return best(rows, view.vectors.take(rows, axis=0) @ user, num)


def allowed_rows(present: Mask, allowed: Allowed | None) -> Mask:
    """bool[num_rows]: rows that have a vector and are allowed. The catalogue may know of more rows by now, or a vector outlive its row."""
    if allowed is None:
        return present
    mask = allowed.mask()
    if mask.size >= present.size:
        kept: Mask = present & mask[: present.size]
        return kept
    kept = np.zeros_like(present)
    kept[: mask.size] = present[: mask.size] & mask
    return kept


def check_user(user: Vectors) -> None:
    """Raises `EngineError` for a user vector that is not finite."""
    if not np.isfinite(user).all():
        raise EngineError("the user's vector is not finite")
