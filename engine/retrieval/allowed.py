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
_FEW_KEPT_ROWS: Final = 1 << 19
"""The same where every rule's mask is kept or names its rows: what is left to do takes a byte a row from memory."""

_NUM_BUCKETS: Final = 1 << 16
_BUCKET: Final = np.uint64(_NUM_BUCKETS - 1)


@dataclass(frozen=True, slots=True)
class Rule:
    """`name` is what an explanation says of a row for which `holds` does not.

    Where it is known without a look at every row, `dropped` int32[n] are all the rows for which it does not hold, or `kept` answers what
    `holds` does of all rows, not to be written to; or None, when that has to be worked out.
    """

    name: str
    holds: Condition
    dropped: Rows | None = None
    kept: Callable[[], Mask | None] | None = None


class RequestAllowed:
    """`Allowed` of one request: what is servable and fulfils every rule. For one thread."""

    def __init__(self, catalogue: Catalogue, rules: Sequence[Rule]) -> None:
        self.rules = (Rule(SERVABLE, _servable(catalogue)), *rules)
        self._catalogue = catalogue
        self._mask: Mask | None = None
        is_kept = all(rule.kept is not None or rule.dropped is not None for rule in rules)
        self._few_rows = _FEW_KEPT_ROWS if is_kept else _FEW_ROWS

    def keep(self, rows: Rows) -> Mask:
        mask = self.mask_if_ready()
        if mask is None:
            return self._kept(rows)
        try:
            kept: Mask = mask.take(rows)
        except IndexError:
            # A row that came into being after the mask was made is one of a newer catalogue than this request's.
            return self._kept(rows)
        return kept

    def mask_if_ready(self) -> Mask | None:
        if self._mask is None and self._catalogue.num_rows > self._few_rows:
            return None
        return self.mask()

    def mask(self) -> Mask:
        if self._mask is None:
            num_rows = self._catalogue.num_rows
            servable, *others = self.rules
            mask, is_own = servable.holds(None)[:num_rows], False
            for rule in others:
                if rule.dropped is None:
                    kept = None if rule.kept is None else rule.kept()
                    # A rule that is evaluated later may know of more rows.
                    held = (rule.holds(None) if kept is None else kept)[:num_rows]
                    mask, is_own = np.logical_and(mask, held, out=mask if is_own else None), True
            mask = mask if is_own else mask.copy()
            for rule in others:
                if rule.dropped is not None:
                    mask[rule.dropped[rule.dropped < num_rows]] = False
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

    def mask_if_ready(self) -> Mask | None:
        """None: every row that is looked at is to be noted."""
        return None


def none_of(name: str, catalogue: Catalogue, rows: Rows) -> Rule:
    """Not one of `rows` int32[n], of which -1 is nobody."""
    named = rows[rows >= 0]

    def holds(asked: Rows | None) -> Mask:
        # Zeroed pages that nobody touches cost nothing: this is cheap for a big catalogue too.
        free = np.zeros(max(catalogue.num_rows, int(named.max(initial=-1)) + 1), np.bool_)
        free[named] = True
        return ~free if asked is None else ~free[asked]

    return Rule(name, holds, dropped=named)


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
