"""Between Gorse's users, items and feedback and ours.

Gorse keeps what it is told as it is told; here the schema declares what is kept. `Labels` that are an object are properties by their names;
`Labels` that are a list, `Categories`, `Comment` and `Timestamp` are the properties `labels`, `categories`, `comment` and `timestamp`.
What is said and not declared is refused by the schema's check, never dropped; what is empty is taken for not said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.spec.document import shorten
from engine.spec.event import Event
from webapp.catalog.models import Item, User
from webapp.core.errors import Invalid

_ITEM_FIELDS: Final = {"Categories": "categories", "Comment": "comment", "Timestamp": "timestamp"}
_USER_FIELDS: Final = {"Comment": "comment"}
_LABELS: Final = "Labels"
_ZERO_TIME: Final = "0001-01-01T00:00:00Z"


def item_row(document: object) -> dict[str, Any]:
    """A row of `items_put` from Gorse's item. Raises `Invalid`."""
    body = _object(document, "item")
    row = {"id": _id(body, "ItemId"), "properties": _properties(body, _ITEM_FIELDS)}
    return row | {"hidden": True} if body.get("IsHidden") else row


def item_patch(document: object) -> tuple[dict[str, Any], bool | None]:
    """Changed properties and `hidden` (None: as it is) from what PyGorse's `update_item` sends: null is not said. Raises `Invalid`."""
    body = _object(document, "item")
    hidden = body.get("IsHidden")
    if hidden is not None and not isinstance(hidden, bool):
        raise Invalid.field("IsHidden", "must be true, false or null", shorten(hidden))
    return _properties(body, _ITEM_FIELDS), hidden


def user_row(document: object) -> dict[str, Any]:
    """A row of `users_put` from Gorse's user. Raises `Invalid`."""
    body = _object(document, "user")
    return {"id": _id(body, "UserId"), "properties": _properties(body, _USER_FIELDS)}


def user_patch(document: object) -> dict[str, Any]:
    """Changed properties. Raises `Invalid`."""
    return _properties(_object(document, "user"), _USER_FIELDS)


def item_document(item: Item, *, hidden: bool) -> dict[str, Any]:
    """Gorse's item."""
    properties = dict(item.properties)
    categories = properties.pop("categories", None)
    return {
        "ItemId": item.external_id,
        "IsHidden": hidden,
        "Categories": categories if isinstance(categories, list) else [],
        "Timestamp": properties.pop("timestamp", None) or item.created_at.isoformat(),
        "Comment": properties.pop("comment", ""),
        "Labels": _labels(properties),
    }


def user_document(user: User) -> dict[str, Any]:
    """Gorse's user."""
    properties = dict(user.properties)
    return {"UserId": user.external_id, "Comment": properties.pop("comment", ""), "Labels": _labels(properties)}


def event_row(document: object, *, takes_value: bool) -> dict[str, Any]:
    """A row of `events_ingest` from one feedback. `takes_value`: the schema declares the event property `value`. Raises `Invalid`.

    A feedback has no id in Gorse; here the event's is made of all its fields, so that sending it again changes nothing.
    """
    body = _object(document, "feedback")
    row: dict[str, Any] = {
        "type": body.get("FeedbackType"),
        "user_id": _id(body, "UserId"),
        "item_id": _id(body, "ItemId"),
    }
    if timestamp := body.get("Timestamp"):
        row["timestamp"] = timestamp
    value = body.get("Value")
    if value and takes_value:
        row["properties"] = {"value": value}
    elif value:
        rule = "needs an event property `value` of type float in the schema"
        raise Invalid.field("Value", rule, shorten(value))
    return row


def feedback_document(event: Event, timestamp: str) -> dict[str, Any]:
    """Gorse's feedback. `timestamp` is the event's, as RFC 3339 text."""
    value = event.properties.get("value", 0)
    return {
        "FeedbackType": event.type,
        "UserId": event.user_id,
        "ItemId": event.item_id,
        "Timestamp": timestamp,
        "Value": value if isinstance(value, int | float) else 0,
        "Comment": "",
    }


def rows_of(document: object, what: str) -> Sequence[object]:
    """A list, as Gorse's calls for many take. Raises `Invalid`."""
    if not isinstance(document, list):
        raise Invalid.field(what, "must be a list", shorten(document))
    return document


def _object(document: object, what: str) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise Invalid.field(what, "must be an object", shorten(document))
    return document


def _id(body: Mapping[str, Any], field: str) -> str:
    found = body.get(field)
    if not isinstance(found, str) or not found:
        raise Invalid.field(field, "must be a text that is not empty", shorten(found))
    return found


def _properties(body: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    labels = body.get(_LABELS)
    if isinstance(labels, Mapping):
        properties |= labels
    elif labels:
        properties["labels"] = labels
    for name, ours in fields.items():
        value = body.get(name)
        if value and value != _ZERO_TIME:
            properties[ours] = value
    return properties


def _labels(properties: dict[str, Any]) -> Any:
    """A list that was sent as a list comes back as one."""
    return properties["labels"] if set(properties) == {"labels"} else properties
