"""What an operation is tried with: a body and the parts of its address, of the project's own values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from webapp.reference.document import Operation
from webapp.reference.fields import Schema, resolved
from webapp.reference.values import Values

Body = dict[str, Any] | None


def body_of(operation: Operation, values: Values) -> Body:
    """A body that the server takes as it is, as far as one can be known; None for an operation without."""
    if operation.schema is None:
        return None
    made = BODIES.get(operation.id)
    return made(values) if made else _from_schema(operation.schema)


def path_values(operation: Operation, values: Values) -> dict[str, str]:
    """A value for each part of the address in braces."""
    known: Mapping[str, object] = {
        "item_id": values.item_id,
        "user_id": values.user_id,
        "replica": values.replica,
        "run_id": values.run_id,
        "search_id": values.search_id,
    }
    names = {"deployments": values.deployment, "models": values.model, "experiments": values.experiment}
    room = operation.path.removeprefix("/api/v1/").partition("/")[0]
    return {one.name: str(known.get(one.name, names.get(room, 1))) for one in operation.in_path}


def event(values: Values, recommendation_id: str = "") -> dict[str, Any]:
    """One that the project's schema takes, if the event's own properties are all optional."""
    row = {"type": values.action, "user_id": values.user_id, "item_id": values.item_id}
    return row | ({"recommendation_id": recommendation_id} if recommendation_id else {})


def _events(values: Values) -> Body:
    return {"events": [event(values)]}


def _recommend(values: Values) -> Body:
    return {"user_id": values.user_id, "k": 10, "deployment": values.deployment}


def _rank(values: Values) -> Body:
    return {"user_id": values.user_id, "candidates": list(values.item_ids), "deployment": values.deployment}


def _similar(values: Values) -> Body:
    return {"item_id": values.item_id, "k": 10, "deployment": values.deployment}


def _items(values: Values) -> Body:
    return {"items": [{"id": values.item_id, "properties": dict(values.item_properties)}]}


def _users(values: Values) -> Body:
    return {"users": [{"id": values.user_id, "properties": dict(values.user_properties)}]}


def _item(values: Values) -> Body:
    return {"properties": dict(values.item_properties)}


def _user(values: Values) -> Body:
    return {"properties": dict(values.user_properties)}


def _batch(values: Values) -> Body:
    return {"deployment": values.deployment, "k": 10, "user_ids": [values.user_id]}


def _schema(values: Values) -> Body:
    return {"document": dict(values.schema)}


def _stop(_: Values) -> Body:
    return {"action": "stop"}


BODIES: Final[Mapping[str, Callable[[Values], Body]]] = {
    "events_post": _events,
    "recommend": _recommend,
    "rank": _rank,
    "similar": _similar,
    "items_put": _items,
    "users_put": _users,
    "item_put": _item,
    "item_patch": _item,
    "user_put": _user,
    "user_patch": _user,
    "batch_start": _batch,
    "schema_put": _schema,
    "run_act": _stop,
    "search_act": _stop,
    "batch_stop": _stop,
    "replay_stop": _stop,
}


def _from_schema(schema: Schema, depth: int = 0) -> Body:
    """The required fields with defaults, first choices, or empty values."""
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    return {name: _value(said, depth) for name, said in properties.items() if name in required}


def _value(schema: Schema, depth: int) -> Any:
    found = resolved(schema, {})
    for name in ("default", "const"):
        if found.get(name) is not None:
            return found[name]
    if found.get("enum"):
        return found["enum"][0]
    kind = found.get("type")
    if kind == "object" and depth < 3:
        return _from_schema(found, depth + 1)
    return {"integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}.get(str(kind), "")
