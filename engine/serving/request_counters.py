"""The counters of one request, read once: what is logged with an impression is what its scores were made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from engine.features.counter_rows import Floats
from engine.retrieval.asker import Asker
from engine.serving.live_counters import LiveCounters
from engine.spec.counter import user_values_of

_NO_ITEM: Final = ""


class RequestCounters:
    """For one thread."""

    def __init__(self, live: LiveCounters, asker: Asker) -> None:
        self._live = live
        self._asker = asker
        self._read: dict[str, Floats] = {}
        self._place_of: dict[str, int] = {}
        self._of_user: dict[str, float] = {}

    def of_user(self) -> Mapping[str, float]:
        """The values of those counters that count by nothing of the item, by name: the same for every candidate of the request."""
        if not self._of_user:
            names = {value.name for value in user_values_of(self._live.counters)}
            found = self._live.read(self._asker, [_NO_ITEM], [{}]) if names else {}
            self._of_user = {name: float(values[0]) for name, values in found.items() if name in names}
        return self._of_user

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._live.counters)

    def of_candidates(self, item_ids: Sequence[str], properties: Sequence[Mapping[str, Any]]) -> dict[str, Floats]:
        """Every value by name, float64[n] for n different items with their properties."""
        read = self._live.read(self._asker, item_ids, properties)
        # An event may have been counted since the user's were read: what is logged is what the models saw.
        seen = {name: np.full(len(item_ids), value) for name, value in self._of_user.items()}
        self._read = read | seen
        self._place_of = {item_id: place for place, item_id in enumerate(item_ids)}
        return self._read

    def to_log(self, item_ids: Sequence[str], properties: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
        """Item id -> value by name: those of `of_candidates`, if it was called, for items that it was called with."""
        if not self._read:
            self.of_candidates(item_ids, properties)
        columns = {name: values.tolist() for name, values in self._read.items()}
        places = ((item_id, self._place_of[item_id]) for item_id in item_ids)
        return {item_id: {name: values[place] for name, values in columns.items()} for item_id, place in places}
