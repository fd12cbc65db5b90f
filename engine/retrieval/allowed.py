"""What one request may be answered with, as masks over rows that are evaluated only as far as somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.retrieval.catalogue import Catalogue
from engine.retrieval.item_rows import Rows
from engine.retrieval.source import Mask

Hashes = npt.NDArray[np.uint64]

Condition = Callable[[Rows | None], Mask]
"""Which of these rows fulfil it, bool[n]; of None: which of all rows of the catalogue, bool[num_rows]."""

SERVABLE: Final = "not_servable"
_FEW_ROWS: Final = 32_768
"""A catalogue of so many rows is looked through whole for less than a request's sources ask one after the other."""

_NUM_BUCKETS: Final = 1 << 16
_BUCKET: Final = np.uint64(_NUM_BUCKETS - 1)


@dataclass(frozen=True, slots=True)
class Rule:
    """`name` is what an explanation says of a row for which `holds` does not."""

    name: str
    holds: Condition


class RequestAllowed:
    """`Allowed` of one request: what is servable and fulfils every rule. For one thread."""

    def __init__(self, catalogue: Catalogue, rules: Sequence[Rule]) -> None:
        self.rules = (Rule(SERVABLE, _servable(catalogue)), *rules)
        self._catalogue = catalogue
        self._mask: Mask | None = None

    def keep(self, rows: Rows) -> Mask:
        if self._mask is None and self._catalogue.num_rows > _FEW_ROWS:
            return self._kept(rows)
        mask = self.mask()
        # A row that came into being after the mask was made is one of a newer catalogue than this request's.
        if rows.size and int(rows.max()) >= mask.size:
            return self._kept(rows)
        kept: Mask = mask[rows]
        return kept

    def mask(self) -> Mask:
        if self._mask is None:
            num_rows = self._catalogue.num_rows
            mask = self.rules[0].holds(None)[:num_rows].copy()
            for rule in self.rules[1:]:
                # A rule that is evaluated later may know of more rows.
                mask &= rule.holds(None)[:num_rows]
            self._mask = mask
        return self._mask

    def _kept(self, rows: Rows) -> Mask:
        kept = self.rules[0].holds(rows)
        for rule in self.rules[1:]:
            if not kept.any():
                break
            kept = kept & rule.holds(rows)
        return kept


@dataclass(slots=True)
class NotingAllowed:
    """A `RequestAllowed` that notes of every row that a source let go because of it which rule it broke first."""

    inner: RequestAllowed
    broken: dict[int, str] = field(default_factory=dict)

    def keep(self, rows: Rows) -> Mask:
        left = np.ones(rows.size, np.bool_)
        for rule in self.inner.rules:
            held = rule.holds(rows)
            for row in rows[left & ~held].tolist():
                self.broken.setdefault(row, rule.name)
            left &= held
        return left

    def mask(self) -> Mask:
        return self.inner.mask()


def none_of(catalogue: Catalogue, rows: Rows) -> Condition:
    """Not one of `rows` int32[n], of which -1 is nobody."""
    named = rows[rows >= 0]

    def holds(asked: Rows | None) -> Mask:
        # Zeroed pages that nobody touches cost nothing: this is cheap for a big catalogue too.
        free = np.zeros(max(catalogue.num_rows, int(named.max(initial=-1)) + 1), np.bool_)
        free[named] = True
        return ~free if asked is None else ~free[asked]

    return holds


def not_shown(catalogue: Catalogue, shown: Sequence[int]) -> Condition:
    """No item whose id's hash (XXH64, seed 0) is among `shown`."""
    hashes = np.array(shown, np.uint64)
    buckets = np.zeros(_NUM_BUCKETS, np.bool_)
    buckets[hashes & _BUCKET] = True

    def holds(asked: Rows | None) -> Mask:
        num_rows = catalogue.num_rows
        own = catalogue.id_hashes[:num_rows] if asked is None else catalogue.id_hashes[asked]
        free: Mask = ~buckets[own & _BUCKET]
        suspects = np.flatnonzero(~free)
        free[suspects] = ~np.isin(own[suspects], hashes)
        return free

    return holds


def _servable(catalogue: Catalogue) -> Condition:
    def holds(asked: Rows | None) -> Mask:
        num_rows = catalogue.num_rows
        servable = catalogue.servable
        kept: Mask = servable[:num_rows] if asked is None else servable[asked]
        return kept

    return holds
