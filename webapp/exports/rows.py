"""What an export writes, a page of rows at a time: documents for JSON lines, and cells of columns for CSV and Parquet."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import CorruptRecord, OffsetOutOfRange, UnknownTopic
from engine.serving.event_reading import read_event
from engine.spec.event import Event
from engine.spec.intake import Intake
from engine.spec.schema import Property, PropertyType, Schema
from engine.streams import topics
from webapp.catalog.inbox_models import DeadEvent
from webapp.catalog.models import Entity, Item, User
from webapp.core.log import event_log
from webapp.exports.models import Export
from webapp.registry.selectors import schema_compiled

ROWS_PER_PAGE: Final = 5_000
OWN_TYPES: Final = "freshet."
JSON_TEXT: Final = "json"

ColumnType = PropertyType | str
"""A property's type, or `JSON_TEXT` for what only JSON can say."""


@dataclass(frozen=True, slots=True)
class Page:
    """Documents in the API's form; where the next page begins; how many rows were looked at for them; whether it was the last."""

    documents: list[dict[str, Any]]
    position: dict[str, Any]
    num_looked_at: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; `read` takes a document to its cell."""

    name: str
    type: ColumnType
    read: Callable[[dict[str, Any]], Any]


def num_rows_of(export: Export) -> int:
    """About how many rows it will look at. Counts, and so belongs into a worker."""
    if export.what == Export.What.EVENTS:
        return export.num_rows
    rows = DeadEvent.objects if export.what == Export.What.INBOX else _model(export)._default_manager
    return rows.filter(project_id=export.project_id).count()


def page_of(export: Export, position: dict[str, Any]) -> Page:
    """The rows from `position` on. Raises `LogError`."""
    if export.what == Export.What.EVENTS:
        return _events(export, position)
    if export.what == Export.What.INBOX:
        return _inbox(export, position)
    return _entities(export, position)


def columns_of(export: Export) -> list[Column]:
    """Of a table with these rows: fields, then every property that the schema declares now."""
    schema = schema_compiled(project=export.project).schema
    if export.what == Export.What.INBOX:
        return [_field(name, type_) for name, type_ in _INBOX_FIELDS.items()]
    if export.what == Export.What.EVENTS:
        fields, declared = _EVENT_FIELDS, _event_properties(schema)
    else:
        fields = _ITEM_FIELDS if export.what == Export.What.ITEMS else _USER_FIELDS
        properties = schema.items if export.what == Export.What.ITEMS else schema.users
        declared = {name: one.type for name, one in properties.items()}
    columns = [_field(name, type_) for name, type_ in fields.items()]
    return columns + [_property(name, type_, fields) for name, type_ in declared.items()]


_EVENT_FIELDS: Final[dict[str, ColumnType]] = {
    "event_id": PropertyType.STRING,
    "type": PropertyType.STRING,
    "user_id": PropertyType.STRING,
    "item_id": PropertyType.STRING,
    "timestamp": PropertyType.INTEGER,
    "received": PropertyType.INTEGER,
    "recommendation_id": PropertyType.STRING,
    "items": JSON_TEXT,
}
_USER_FIELDS: Final[dict[str, ColumnType]] = {
    "id": PropertyType.STRING,
    "created_at": PropertyType.STRING,
    "updated_at": PropertyType.STRING,
}
_ITEM_FIELDS: Final[dict[str, ColumnType]] = {"id": PropertyType.STRING, "hidden": PropertyType.BOOLEAN, **_USER_FIELDS}
_INBOX_FIELDS: Final[dict[str, ColumnType]] = {
    "partition": PropertyType.INTEGER,
    "offset": PropertyType.INTEGER,
    "reason": PropertyType.STRING,
    "field": PropertyType.STRING,
    "rule": PropertyType.STRING,
    "received": PropertyType.STRING,
    "value": PropertyType.STRING,
    "is_whole": PropertyType.BOOLEAN,
    "refused_at": PropertyType.STRING,
    "problems": JSON_TEXT,
}


def _events(export: Export, position: dict[str, Any]) -> Page:
    """One read of one partition. What was trimmed meanwhile is passed over."""
    log, topic = event_log(), topics.events(export.project.slug)
    intake = Intake(schema_compiled(project=export.project).validator, time.time)
    since_ms = int(export.since.timestamp() * 1000) if export.since else 0
    for partition, end in export.until.items():
        offset = int(position.get(partition, 0))
        if offset >= end:
            continue
        try:
            records = log.read(topic, int(partition), offset, min(ROWS_PER_PAGE, end - offset))
        except OffsetOutOfRange as error:
            return Page([], {**position, partition: int(error.extra["earliest"])}, 0, False)
        except UnknownTopic:
            return Page([], position, 0, True)
        after = records[-1].offset + 1 if records else end
        events = []
        for record in records:
            try:
                event = read_event(record.value, record.timestamp_ms, intake)
            except CorruptRecord:
                continue
            if _is_wanted(event, export.types, since_ms):
                events.append(_event_document(event))
        return Page(events, {**position, partition: after}, after - offset, False)
    return Page([], position, 0, True)


def _is_wanted(event: Event, types: list[str], since_ms: int) -> bool:
    if event.type.startswith(OWN_TYPES) or event.received_ms < since_ms:
        return False
    return not types or event.type in types


def _event_document(event: Event) -> dict[str, Any]:
    """As the API takes it, so that what was exported can be imported, and when it was received."""
    items = [{"item_id": one.item_id, "position": one.position, "score": one.score} for one in event.items]
    document: dict[str, Any] = {
        "event_id": event.event_id,
        "type": event.type,
        "user_id": event.user_id,
        "item_id": None if items else event.item_id,
        "items": items or None,
        "timestamp": event.timestamp_ms,
        "received": event.received_ms,
        "recommendation_id": event.recommendation_id,
        "properties": {name: value for name, value in event.properties.items() if value is not None} or None,
    }
    return {name: value for name, value in document.items() if value is not None}


def _entities(export: Export, position: dict[str, Any]) -> Page:
    rows = _model(export)._default_manager.filter(
        project_id=export.project_id, external_id__gt=str(position.get("last", ""))
    )
    page = list(rows.order_by("external_id")[:ROWS_PER_PAGE])
    documents = [_entity_document(row) for row in page]
    after = {"last": page[-1].external_id} if page else position
    return Page(documents, after, len(page), len(page) < ROWS_PER_PAGE)


def _entity_document(row: Entity) -> dict[str, Any]:
    document: dict[str, Any] = {"id": row.external_id, "properties": row.properties}
    if isinstance(row, Item):
        document["hidden"] = row.hidden
    return document | {"created_at": row.created_at.isoformat(), "updated_at": row.updated_at.isoformat()}


def _inbox(export: Export, position: dict[str, Any]) -> Page:
    rows = DeadEvent.objects.filter(project_id=export.project_id, pk__gt=int(position.get("last", 0)))
    page = list(rows.order_by("pk")[:ROWS_PER_PAGE])
    fields = [name for name in _INBOX_FIELDS if name != "refused_at"]
    documents = [
        {name: getattr(row, name) for name in fields} | {"refused_at": row.buried_at.isoformat()} for row in page
    ]
    return Page(documents, {"last": page[-1].pk} if page else position, len(page), len(page) < ROWS_PER_PAGE)


def _model(export: Export) -> type[Item] | type[User]:
    return Item if export.what == Export.What.ITEMS else User


def _event_properties(schema: Schema) -> dict[str, ColumnType]:
    """By name; one that event types declare differently can only be JSON."""
    found: dict[str, ColumnType] = {}
    for declared in schema.events.values():
        for name, one in _typed(declared.properties).items():
            found[name] = one if found.get(name, one) == one else JSON_TEXT
    return found


def _typed(properties: dict[str, Property]) -> dict[str, PropertyType]:
    return {name: one.type for name, one in properties.items()}


def _field(name: str, type_: ColumnType) -> Column:
    return Column(name, type_, lambda document: document.get(name))


def _property(name: str, type_: ColumnType, fields: dict[str, ColumnType]) -> Column:
    named = f"property_{name}" if name in fields else name
    return Column(named, type_, lambda document: (document.get("properties") or {}).get(name))
