"""Items that nobody acts on, that have no properties, that nobody has put, and ids that look like each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from webapp.catalog.models import Item
from webapp.insights.evidence import EntityRow, Evidence
from webapp.insights.found import Found
from webapp.insights.models import Insight

LEAST_ITEMS: Final = 20
UNSEEN_SHARE: Final = 0.1
MANY_UNSEEN: Final = 0.3
BARE_SHARE: Final = 0.2
UNKNOWN_SHARE: Final = 0.02
MAX_ASKED: Final = 2_000


def items_without_events(evidence: Evidence) -> Iterator[Found]:
    """Items that no event was about since events are counted; said once the log has been counted to its end."""
    items = evidence.items
    if len(items) < LEAST_ITEMS or not evidence.is_counted or not evidence.events:
        return
    share = sum(not item.is_seen for item in items) / len(items)
    if share >= UNSEEN_SHARE:
        severity = Insight.Severity.WARN if share >= MANY_UNSEEN else Insight.Severity.NOTE
        examples = [item.id for item in items if not item.is_seen][:5]
        values = {"share": share, "num_seen": len(items), "examples": examples}
        yield Found("unseen_items", "", severity, share, values)


def items_without_properties(evidence: Evidence) -> Iterator[Found]:
    """Items that events have made and nobody has described, where the schema declares properties."""
    items = evidence.items
    if len(items) < LEAST_ITEMS or not evidence.schema.items:
        return
    share = sum(not item.properties for item in items) / len(items)
    if share >= BARE_SHARE:
        examples = [item.id for item in items if not item.properties][:5]
        values = {"share": share, "num_seen": len(items), "examples": examples}
        yield Found("bare_items", "", Insight.Severity.WARN, share, values)


def unknown_items(evidence: Evidence) -> Iterator[Found]:
    """Where events do not make items: events about items that the catalogue does not know."""
    if evidence.schema.create_items_from_events:
        return
    asked = sorted({item_id for event in evidence.events for item_id in event.item_ids})[:MAX_ASKED]
    if len(asked) < LEAST_ITEMS:
        return
    known = set(
        Item.objects.filter(project=evidence.project, external_id__in=asked).values_list("external_id", flat=True)
    )
    share = 1 - len(known) / len(asked)
    if share >= UNKNOWN_SHARE:
        examples = [item_id for item_id in asked if item_id not in known][:5]
        values = {"share": share, "num_seen": len(asked), "examples": examples}
        yield Found("unknown_items", "", Insight.Severity.BAD, share, values)


def similar_ids(evidence: Evidence) -> Iterator[Found]:
    """Ids that differ by case, or by space around them, alone: one thing under two names."""
    for what, rows in (("items", evidence.items), ("users", evidence.users)):
        groups = _similar(rows)
        if groups:
            num = sum(len(group) for group in groups)
            values = {"what": what, "num": num, "num_seen": len(rows), "examples": [" / ".join(g) for g in groups[:3]]}
            yield Found("similar_ids", what, Insight.Severity.WARN, num / len(rows), values)


def _similar(rows: Sequence[EntityRow]) -> list[list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[row.id.strip().casefold()].append(row.id)
    return sorted((sorted(ids) for ids in found.values() if len(ids) > 1), key=lambda ids: ids[0])
