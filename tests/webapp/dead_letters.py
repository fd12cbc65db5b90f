"""Records that others wrote to a project's topic, and what its joiner put aside of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from engine.spec.dead_letter import bury
from engine.spec.intake import Intake, RefusedEvent
from engine.streams import topics
from engine.streams.log import EventLog, Record
from webapp.accounts.models import Project
from webapp.catalog.inbox_taking import inbox_take
from webapp.catalog.models import DeadEvent
from webapp.registry.selectors import event_validator

NOW_MS = 1_790_000_000_000


def produce(log: EventLog, project: Project, *documents: Any, at_ms: int = NOW_MS) -> None:
    """Write documents (or bytes) straight to `events`, and bury what is refused, as the joiner does."""
    topic = topics.events(project.slug)
    values = [one if isinstance(one, bytes) else orjson.dumps(one) for one in documents]
    positions = log.append(topic, [Record("u1", value, at_ms) for value in values])
    intake = Intake(event_validator(project=project), lambda: NOW_MS / 1000)
    letters = []
    for value, place in zip(values, positions, strict=True):
        try:
            intake.read(value, at_ms)
        except RefusedEvent as refused:
            letters.append(
                bury(
                    topic=topic,
                    partition=place.partition,
                    offset=place.offset,
                    key="u1",
                    value=value,
                    timestamp_ms=at_ms,
                    refused=refused,
                    now_ms=NOW_MS,
                )
            )
    log.append(topics.events_dead(project.slug), [Record(one.key, one.to_bytes(), NOW_MS) for one in letters])


def deliver(log: EventLog, project: Project, *documents: Any, at_ms: int = NOW_MS) -> None:
    """As `produce`, and then into the inbox."""
    produce(log, project, *documents, at_ms=at_ms)
    inbox_take(project=project)


def dead_event(project: Project) -> DeadEvent:
    """One in the inbox, wherever it may have come from."""
    return DeadEvent.objects.create(
        project=project,
        partition=0,
        offset=7,
        reason="unknown_type",
        field="type",
        rule="must be one of the declared event types: click",
        received="'share'",
        problems=[{"field": "type", "rule": "must be one of the declared event types: click", "received": "'share'"}],
        key="u1",
        value='{"type":"share","user_id":"u1"}',
        value_bytes=31,
        is_whole=True,
        timestamp_ms=NOW_MS,
        buried_at=datetime.fromtimestamp(NOW_MS / 1000, tz=UTC),
    )


def click(event_id: str, **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "type": "click", "user_id": "u1", "item_id": "tea", **more}


def share(event_id: str) -> dict[str, Any]:
    """Of a type that a new project's schema does not have."""
    return {**click(event_id), "type": "share"}
