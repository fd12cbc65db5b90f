"""The counters of one request, read once: what is logged with an impression is what its scores were made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.features.counter_rows import Floats
from engine.retrieval.asker import Asker
from engine.serving.live_counters import LiveCounters


class RequestCounters:
    """For one thread."""

    def __init__(self, live: LiveCounters, asker: Asker) -> None:
        self._live = live
        self._asker = asker
        self._read: dict[str, Floats] = {}
        self._place_of: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._live.counters)

    def of_candidates(self, item_ids: Sequence[str], properties: Sequence[Mapping[str, Any]]) -> dict[str, Floats]:
        """Every value by name, float64[n] for n different items with their properties."""
        self._read = self._live.read(self._asker, item_ids, properties)
        self._place_of = {item_id: place for place, item_id in enumerate(item_ids)}
        return self._read

    def to_log(self, item_ids: Sequence[str], properties: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
        """Item id -> value by name: those of `of_candidates`, if it was called, for items that it was called with."""
        if not self._read:
            self.of_candidates(item_ids, properties)
        columns = {name: values.tolist() for name, values in self._read.items()}
        places = ((item_id, self._place_of[item_id]) for item_id in item_ids)
        return {item_id: {name: values[place] for name, values in columns.items()} for item_id, place in places}
