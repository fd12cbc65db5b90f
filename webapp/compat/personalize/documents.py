"""Between Amazon's events, items, users and filter values and ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from engine.spec.document import shorten
from engine.spec.schema import EventRole, Schema
from webapp.core.errors import Invalid
from webapp.core.strict_json import BrokenJson, read_json

_MS: Final = 1000


def event_rows(body: Mapping[str, Any], schema: Schema) -> Iterator[dict[str, Any]]:
    """Rows of `events_ingest` from PutEvents. Somebody without `userId` is known by their `sessionId`. Raises `Invalid`.

    `eventValue` is the event's property `value`, where the schema declares it. `impression`, the items that were shown, becomes an event of
    the schema's first impression type, unless `recommendationId` says that we showed them and have logged it.
    """
    user_id = body.get("userId") or body.get("sessionId")
    for index, event in enumerate(_list(body, "eventList")):
        where = f"eventList.{index}"
        row: dict[str, Any] = {"type": event.get("eventType"), "user_id": user_id, "timestamp": _time(event, where)}
        if event.get("itemId") is not None:
            row["item_id"] = event["itemId"]
        if event.get("recommendationId") is not None:
            row["recommendation_id"] = event["recommendationId"]
        properties = _json_object(event.get("properties"), f"{where}.properties")
        if event.get("eventValue") is not None:
            properties["value"] = event["eventValue"]
        if properties:
            row["properties"] = properties
        row["event_id"] = event.get("eventId") or _made_id(row)
        yield row
        if event.get("impression") and row.get("recommendation_id") is None:
            yield _impression(row, event["impression"], schema, where)


def entity_rows(body: Mapping[str, Any], field: str, id_field: str) -> list[dict[str, Any]]:
    """Rows of `items_put` and `users_put` from PutItems and PutUsers. Raises `Invalid`."""
    rows = []
    for index, one in enumerate(_list(body, field)):
        properties = _json_object(one.get("properties"), f"{field}.{index}.properties")
        rows.append({"id": one.get(id_field), "properties": properties})
    return rows


def filter_parameters(values: Any) -> dict[str, Any]:
    """`filterValues` as parameters of an expression: Amazon sends each as a text, `"a","b"` for a list. Raises `Invalid`."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise Invalid.field("filterValues", "must be an object", shorten(values))
    return {name.lower(): _filter_value(name, value) for name, value in values.items()}


def metadata_fields(columns: Any) -> tuple[str, ...]:
    """The item properties that `metadataColumns` names: {"ITEMS": ["price"]}. Raises `Invalid`."""
    if columns is None:
        return ()
    found = columns.get("ITEMS", []) if isinstance(columns, Mapping) and set(columns) <= {"ITEMS"} else None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Invalid.field("metadataColumns", 'must be {"ITEMS": [names]}', shorten(columns))
    return tuple(one.lower() for one in found)


def _filter_value(name: str, value: Any) -> Any:
    """One bare number is a number; quoted texts are texts, several of them a list."""
    try:
        found = read_json(f"[{value}]".encode()) if isinstance(value, str) else None
    except BrokenJson:
        found = [value]  # a text without quotes
    if not isinstance(found, list) or not found:
        raise Invalid.field(f"filterValues.{name}", 'must be a text such as 40, "a", or "a","b"', shorten(value))
    return found if len(found) > 1 else found[0]


def _impression(row: Mapping[str, Any], shown: Any, schema: Schema, where: str) -> dict[str, Any]:
    kind = next((name for name, one in schema.events.items() if one.role is EventRole.IMPRESSION), None)
    if kind is None:
        raise Invalid.field(
            f"{where}.impression", "needs an event type of role impression in the schema", shorten(shown)
        )
    if not isinstance(shown, list):
        raise Invalid.field(f"{where}.impression", "must be a list of item ids", shorten(shown))
    impression = {"type": kind, "user_id": row["user_id"], "timestamp": row["timestamp"], "items": shown}
    return impression | {"event_id": f"{row['event_id']}-shown"}


def _time(event: Mapping[str, Any], where: str) -> Any:
    """boto3 sends seconds since 1970 as a number, others send RFC 3339."""
    sent_at = event.get("sentAt")
    if isinstance(sent_at, int | float) and not isinstance(sent_at, bool):
        return round(sent_at * _MS)
    if not isinstance(sent_at, str):
        raise Invalid.field(f"{where}.sentAt", "is required, in seconds since 1970 or as RFC 3339", shorten(sent_at))
    return sent_at


def _json_object(text: Any, field: str) -> dict[str, Any]:
    if text is None or text == "":
        return {}
    try:
        found = read_json(text.encode()) if isinstance(text, str) else None
    except BrokenJson:
        found = None
    if not isinstance(found, dict):
        raise Invalid.field(field, "must be a JSON object as text", shorten(text))
    return found


def _list(body: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    found = body.get(field)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Invalid.field(field, "must be a list of objects", shorten(found))
    return found


def _made_id(row: Mapping[str, Any]) -> str:
    """Of all fields, so that an event without an id may be sent again."""
    return "personalize-" + hashlib.blake2b(orjson.dumps(row, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
