"""What a run tells of itself beside its curves: metrics by slice, the reliability curve, tables and slots."""

from __future__ import annotations

from typing import Any, Final

from engine.embedding.options import bytes_per_row, table_name
from engine.embedding.rows import SlotCount
from engine.spec.definition import Slot
from engine.training.slot_census import SlotCensus
from engine.training.state import TrainingState

REPORT_EVERY_S: Final = 10.0

Report = dict[str, Any]
"""JSON: `slices` and `reliability` as `StreamMetrics` has them, `tables` and `slots`."""


class Reporter:
    """Makes reports of one state."""

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._census = SlotCensus(state.store)

    def report(self) -> Report:
        """The state as it is now; rows by slot as of the last count, which goes on a little with every report."""
        self._census.turn()
        metrics = self._state.metrics
        hottest = self._state.hot_ids.hottest()
        counts = {name: table.slot_counts() for name, table in self._state.store.tables.items()}
        return {
            "slices": metrics.slices(),
            "reliability": metrics.reliability(),
            "tables": self._tables(),
            "slots": [
                self._slot(
                    slot, hottest[slot.name], counts[table_name(slot.dim)].get(slot.number, SlotCount(slot.number))
                )
                for slot in self._state.definition.slots
            ],
        }

    def _tables(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "num_rows": len(table),
                "num_bytes": table.memory_bytes,
                "num_admitted": table.counters.num_created,
                "num_expired": table.counters.num_expired,
                "num_over_budget": table.counters.num_over_budget,
                "num_turned_away": table.counters.num_turned_away,
            }
            for name, table in self._state.store.tables.items()
        ]

    def _slot(self, slot: Slot, hottest: list[dict[str, Any]], counts: SlotCount) -> dict[str, Any]:
        definition = self._state.definition
        row: dict[str, Any] = {
            "name": slot.name,
            "source": slot.source,
            "table": table_name(slot.dim),
            "shares": slot.shares,
            "hottest": hottest,
        }
        if slot.shares is not None:
            return row
        num_rows = self._census.num_rows(slot.number)
        return {
            **row,
            "num_rows": num_rows,
            "num_bytes": None if num_rows is None else num_rows * bytes_per_row(slot.dim, definition.sparse_optimizer),
            "num_candidates": self._census.num_candidates(slot.number),
            "num_admitted": counts.num_admitted,
            "num_expired": counts.num_expired,
            "num_over_budget": counts.num_over_budget,
            "num_turned_away": counts.num_turned_away,
        }
