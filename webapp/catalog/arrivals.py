"""What the API does beside appending, for events that came into the log by another way."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from engine.spec.event import CatalogChange, Event
from webapp.accounts.models import Project
from webapp.catalog import known_items
from webapp.catalog.entities import append_changes
from webapp.core.clock import wall_ms
from webapp.registry.selectors import schema_document


def events_arrived(*, project: Project, events: Iterable[Event]) -> None:
    """Create the items that these events are about, where the schema says so; a second time does nothing. Raises `LogError`."""
    if not schema_document(project=project).create_items_from_events:
        return
    with transaction.atomic():
        created = known_items.create_unknown(project, {item_id for event in events for item_id in event.item_ids})
        now_ms = wall_ms()
        append_changes(project, [CatalogChange("item", item_id, updated_ms=now_ms) for item_id in created])
