"""The checks: each looks at the evidence and says what it found, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from webapp.insights.checks import arriving, catalogue, following, properties, timing
from webapp.insights.evidence import Evidence
from webapp.insights.found import Found

Check = Callable[[Evidence], Iterator[Found]]

CHECKS: Final[tuple[Check, ...]] = (
    arriving.rejected_rows,
    arriving.dropped_types,
    arriving.silent_types,
    arriving.repeated_events,
    arriving.heavy_users,
    timing.shifted_clocks,
    following.impressions_without_actions,
    following.actions_without_recommendation,
    following.unlearned_types,
    properties.event_properties,
    properties.entity_properties,
    catalogue.items_without_events,
    catalogue.items_without_properties,
    catalogue.unknown_items,
    catalogue.similar_ids,
)


def all_found(evidence: Evidence) -> list[Found]:
    return [found for check in CHECKS for found in check(evidence)]
