"""The same call as text to copy: for curl, and for Python with freshet-client where it has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from webapp.reference.document import Operation

KEY = "$FRESHET_KEY"


def address_of(operation: Operation, parts: Mapping[str, str]) -> str:
    """The path with its parts filled in."""
    path = operation.path
    for name, value in parts.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def curl(operation: Operation, base_url: str, parts: Mapping[str, str], body: Any) -> str:
    """For a POSIX shell, with the key in the variable FRESHET_KEY."""
    lines = [f"curl -sS -X {operation.method} {_quoted(base_url + address_of(operation, parts))}"]
    if operation.scopes:
        lines.append(f'  -H "Authorization: Bearer {KEY}"')
    if body is not None:
        lines += ["  -H 'Content-Type: application/json'", f"  -d {_quoted(json.dumps(body, ensure_ascii=False))}"]
    return " \\\n".join(lines)


def python(operation: Operation, base_url: str, parts: Mapping[str, str], body: Any) -> str:
    """With the project's client, or with httpx for what the client has no call."""
    made = CALLS.get(operation.id)
    return _with_client(base_url, *made(parts, body or {})) if made else _with_httpx(operation, base_url, parts, body)


def _with_client(base_url: str, names: str, call: str) -> str:
    imported = ", ".join(sorted({"Freshet", *names.split()}))
    return (
        "import os\n\n"
        f"from freshet_client import {imported}\n\n"
        f'with Freshet({_literal(base_url)}, os.environ["FRESHET_KEY"]) as freshet:\n'
        f"    {call}\n"
    )


def _with_httpx(operation: Operation, base_url: str, parts: Mapping[str, str], body: Any) -> str:
    key = ['    headers={"Authorization": "Bearer " + os.environ["FRESHET_KEY"]},'] if operation.scopes else []
    sent = [] if body is None else [f"    json={_literal(body)},"]
    lines = [
        *(["import os", ""] if operation.scopes else []),
        "import httpx",
        "",
        "answer = httpx.request(",
        f"    {_literal(operation.method)},",
        f"    {_literal(base_url + address_of(operation, parts))},",
        *key,
        *sent,
        ")",
        "answer.raise_for_status()",
        "print(answer.json())" if operation.method != "DELETE" else "print(answer.status_code)",
    ]
    return "\n".join(lines) + "\n"


def _send_events(_: Mapping[str, str], body: Mapping[str, Any]) -> tuple[str, str]:
    row = body["events"][0]
    given = ", ".join(f"{name}={_literal(value)}" for name, value in row.items())
    return "Event", f"print(freshet.send_events([Event({given})]))"


def _recommend(_: Mapping[str, str], body: Mapping[str, Any]) -> tuple[str, str]:
    user, rest = _literal(body["user_id"]), _named(body, "user_id")
    return "", f"print(freshet.recommend({user}{rest}))"


def _rank(_: Mapping[str, str], body: Mapping[str, Any]) -> tuple[str, str]:
    first = f"{_literal(body['user_id'])}, {_literal(body['candidates'])}"
    return "", f"print(freshet.rank({first}{_named(body, 'user_id', 'candidates')}))"


def _similar(_: Mapping[str, str], body: Mapping[str, Any]) -> tuple[str, str]:
    return "", f"print(freshet.similar({_literal(body['item_id'])}{_named(body, 'item_id')}))"


def _items_put(_: Mapping[str, str], body: Mapping[str, Any]) -> tuple[str, str]:
    row = body["items"][0]
    return "Item", f"print(freshet.put_items([Item({_literal(row['id'])}, {_literal(row['properties'])})]))"


def _users_put(_: Mapping[str, str], body: Mapping[str, Any]) -> tuple[str, str]:
    row = body["users"][0]
    return "User", f"print(freshet.put_users([User({_literal(row['id'])}, {_literal(row['properties'])})]))"


def _item_get(parts: Mapping[str, str], _: Mapping[str, Any]) -> tuple[str, str]:
    return "", f"print(freshet.get_item({_literal(parts['item_id'])}))"


def _user_get(parts: Mapping[str, str], _: Mapping[str, Any]) -> tuple[str, str]:
    return "", f"print(freshet.get_user({_literal(parts['user_id'])}))"


def _item_delete(parts: Mapping[str, str], _: Mapping[str, Any]) -> tuple[str, str]:
    return "", f"freshet.delete_item({_literal(parts['item_id'])})"


def _user_delete(parts: Mapping[str, str], _: Mapping[str, Any]) -> tuple[str, str]:
    return "", f"freshet.delete_user({_literal(parts['user_id'])})"


CALLS: Final[Mapping[str, Callable[[Mapping[str, str], Mapping[str, Any]], tuple[str, str]]]] = {
    "events_post": _send_events,
    "recommend": _recommend,
    "rank": _rank,
    "similar": _similar,
    "items_put": _items_put,
    "users_put": _users_put,
    "item_get": _item_get,
    "user_get": _user_get,
    "item_delete": _item_delete,
    "user_delete": _user_delete,
}


def _named(body: Mapping[str, Any], *left_out: str) -> str:
    return "".join(f", {name}={_literal(value)}" for name, value in body.items() if name not in left_out)


def _literal(value: Any) -> str:
    """Python's words for a JSON value, with double quotes as the rest of the snippet has."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_literal(str(name))}: {_literal(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(one) for one in value) + "]"
    return repr(value)


def _quoted(text: str) -> str:
    """In single quotes for a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
