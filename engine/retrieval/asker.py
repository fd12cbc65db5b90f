"""The user side of a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.features.columns import Columns, columns_for_user


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as the models see it. `history`: item ids acted on last, oldest first; `context`: event properties.

    `history_types` and `history_times_ms` say of each item of the history by what and when it was acted on; `time_ms` is when the
    request came. `counters` are the user's by `<counter>_<window>`, where a model reads them.
    """

    user_id: str
    properties: Mapping[str, Any]
    context: Mapping[str, Any]
    history: tuple[str, ...]
    history_types: tuple[str, ...] = ()
    history_times_ms: tuple[int, ...] = ()
    time_ms: int | None = None
    counters: Mapping[str, float] = field(default_factory=dict)

    def columns(self, sources: Iterable[str]) -> Columns:
        """One row for the user-side sources among `sources`."""
        return columns_for_user(
            self.user_id,
            self.properties,
            self.context,
            self.history,
            sources,
            history_types=self.history_types,
            history_times_ms=self.history_times_ms,
            time_ms=self.time_ms,
            counters=self.counters,
        )
