"""At most so many items of an answer share a value of a property."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from engine.ranking.reranking.pool import Mask, Places, ValueLists, Values
from engine.ranking.reranking.trace import Trace
from engine.spec.deployment import Cap


class _OneCap:
    """The counts of one property's values among the chosen."""

    def __init__(self, cap: Cap, values: Values) -> None:
        self.property = cap.property
        self.max_items = cap.max_items
        self._values = values
        self._counts: Counter[int] = Counter()
        if isinstance(values, ValueLists):
            self._owners = np.repeat(np.arange(values.offsets.size - 1), np.diff(values.offsets))

    def count(self, place: int) -> list[int]:
        """Note that a candidate was chosen; answers the values of which there are enough now."""
        full = []
        for code in self._of(place):
            if code >= 0:
                self._counts[code] += 1
                if self._counts[code] == self.max_items:
                    full.append(code)
        return full

    def with_value(self, code: int) -> Places:
        """The places of all that have it."""
        if isinstance(self._values, ValueLists):
            owners: Places = self._owners[self._values.codes == code]
            return owners
        return np.flatnonzero(self._values == code)

    def _of(self, place: int) -> list[int]:
        values = self._values
        if isinstance(values, ValueLists):
            own: list[int] = values.codes[values.offsets[place] : values.offsets[place + 1]].tolist()
            return own
        return [int(values[place])]


class OpenPlaces:
    """Which candidates may still be chosen: neither chosen already nor shut out by a cap. `mask` bool[n]; n places of the pool."""

    def __init__(self, num: int, caps: Sequence[Cap], values: Sequence[Values], trace: Trace | None = None) -> None:
        self.mask: Mask = np.ones(num, np.bool_)
        self._caps = [_OneCap(cap, own) for cap, own in zip(caps, values, strict=True)]
        self._trace = trace

    def choose(self, place: int) -> Places | None:
        """Take a place; answers those that a cap shuts out from now on, or None."""
        self.mask[place] = False
        shut: list[Places] = []
        for cap in self._caps:
            for code in cap.count(place):
                others = cap.with_value(code)
                others = others[self.mask[others]]
                self.mask[others] = False
                shut.append(others)
                if self._trace is not None:
                    why = f"{cap.max_items} with its {cap.property} are in the answer already"
                    for each in others.tolist():
                        self._trace.note("caps", each, why)
        if not shut:
            return None
        return shut[0] if len(shut) == 1 else np.concatenate(shut)
