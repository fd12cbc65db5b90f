"""Properties that say nothing: always null, always the same, or different in each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from engine.spec.schema import Property, PropertyType
from webapp.insights.evidence import Evidence
from webapp.insights.found import Found
from webapp.insights.models import Insight

LEAST_ROWS: Final = 100
LEAST_DISTINCT: Final = 200
NEARLY_ALL: Final = 0.9
_IDS: Final = (PropertyType.STRING, PropertyType.INTEGER)


def event_properties(evidence: Evidence) -> Iterator[Found]:
    by_type = evidence.of_type()
    for name, declared in evidence.schema.events.items():
        documents = [event.properties for event in by_type.get(name, [])]
        yield from _judged(evidence, "event", name, declared.properties, documents)


def entity_properties(evidence: Evidence) -> Iterator[Found]:
    yield from _judged(evidence, "user", "users", evidence.schema.users, [one.properties for one in evidence.users])
    # Items that events have made have no properties at all; that is a finding of its own.
    items = [one.properties for one in evidence.items if one.properties]
    yield from _judged(evidence, "item", "items", evidence.schema.items, items)


def _judged(
    evidence: Evidence, entity: str, of: str, declared: dict[str, Property], documents: Sequence[dict[str, Any]]
) -> Iterator[Found]:
    if len(documents) < LEAST_ROWS:
        return
    for name, one in declared.items():
        readers = evidence.readers_of(f"{entity}.{name}")
        given = [document[name] for document in documents if document.get(name) is not None]
        values = {"name": name, "of": of, "models": readers, "num_seen": len(documents)}
        subject = f"{of}.{name}"
        severity = Insight.Severity.WARN if readers else Insight.Severity.NOTE
        if not given:
            yield Found("null_property", subject, severity, 0.5 if readers else 0.2, values)
            continue
        distinct = {repr(value) for value in given}
        if len(distinct) == 1 and len(given) >= LEAST_ROWS:
            constant = {**values, "value": str(given[0])[:80]}
            yield Found("constant_property", subject, severity, 0.4 if readers else 0.1, constant)
        elif readers and one.type in _IDS and len(distinct) >= max(LEAST_DISTINCT, NEARLY_ALL * len(given)):
            unique = {**values, "num_distinct": len(distinct), "num_given": len(given)}
            yield Found("unique_property", subject, Insight.Severity.WARN, 0.4, unique)
