"""Whether actions follow what was shown, and whether anything learns from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.spec.schema import EventRole
from webapp.insights.evidence import DAY_MS, Evidence
from webapp.insights.found import Found
from webapp.insights.models import Insight

LEAST_IMPRESSIONS: Final = 200
LEAST_ACTIONS: Final = 100
FEW_ACTIONS: Final = 0.001
FEW_NAMED: Final = 0.01


def impressions_without_actions(evidence: Evidence) -> Iterator[Found]:
    """Impressions of a week, and next to no action: without actions everything shown is a negative."""
    since = evidence.now_ms - 7 * DAY_MS
    shown = sum(evidence.num_since(name, since) for name in _of_role(evidence, EventRole.IMPRESSION))
    acted = sum(evidence.num_since(name, since) for name in _of_role(evidence, EventRole.ACTION))
    if shown >= LEAST_IMPRESSIONS and acted < FEW_ACTIONS * shown:
        yield Found("no_actions", "", Insight.Severity.BAD, 1.0, {"num_shown": shown, "num_acted": acted})


def actions_without_recommendation(evidence: Evidence) -> Iterator[Found]:
    """Impressions say which recommendation they were, and actions hardly ever do."""
    by_type = evidence.of_type()
    shown = [event for name in _of_role(evidence, EventRole.IMPRESSION) for event in by_type.get(name, [])]
    if sum(event.recommendation_id is not None for event in shown) < LEAST_IMPRESSIONS:
        return
    for name in _of_role(evidence, EventRole.ACTION):
        events = by_type.get(name, [])
        named = sum(event.recommendation_id is not None for event in events)
        if len(events) >= LEAST_ACTIONS and named < FEW_NAMED * len(events):
            weight = len(events) / len(evidence.events)
            values = {"type": name, "share": named / len(events), "num_seen": len(events)}
            yield Found("unattributed_actions", name, Insight.Severity.WARN, weight, values)


def unlearned_types(evidence: Evidence) -> Iterator[Found]:
    """Actions that come and that no model predicts and no counter counts."""
    if not evidence.models:
        return
    tasks = {task.event_type for model in evidence.models for task in model.definition.tasks}
    counted = {name for counter in evidence.schema.counters.values() for name in counter.event_types}
    since = evidence.now_ms - 7 * DAY_MS
    total = sum(evidence.num_since(name, since) for name in evidence.hours) or 1
    for name in _of_role(evidence, EventRole.ACTION):
        num = evidence.num_since(name, since)
        if num >= LEAST_ACTIONS and name not in tasks | counted:
            yield Found("unlearned_type", name, Insight.Severity.NOTE, num / total, {"type": name, "num": num})


def _of_role(evidence: Evidence, role: EventRole) -> list[str]:
    return [name for name, declared in evidence.schema.events.items() if declared.role is role]
