"""What a request says that its user just did, as the end of the user's history."""

from __future__ import annotations

from collections.abc import Sequence

from engine.features.histories import History
from engine.serving.requests import SessionEvent
from engine.spec.schema import EventRole, Schema


def with_session(history: History, session: Sequence[SessionEvent], schema: Schema, length: int) -> History:
    """The newest `length` items of the history followed by the session's actions, each item where it was acted on last."""
    acted = [event for event in session if _is_action(event.type, schema)]
    if not acted:
        return history
    entries = dict(zip(history.item_ids, zip(history.event_types, history.times_ms, strict=True), strict=True))
    for event in acted:
        entries.pop(event.item_id, None)
        entries[event.item_id] = event.type, event.timestamp_ms
    newest = list(entries.items())[-length:]
    return History(
        tuple(item_id for item_id, _ in newest),
        tuple(event_type for _, (event_type, _) in newest),
        tuple(time_ms for _, (_, time_ms) in newest),
    )


def _is_action(event_type: str, schema: Schema) -> bool:
    declared = schema.events.get(event_type)
    return declared is not None and declared.role is EventRole.ACTION
