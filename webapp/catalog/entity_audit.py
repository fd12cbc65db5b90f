"""What people change of one user or item, in the audit log. What keys write is not: catalogues are kept in step through the API, row by
row, all day long, and the log of events has each of their writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from webapp.accounts.models import Project
from webapp.audit.acting import ActorKind, acting
from webapp.audit.services import audit_record
from webapp.catalog.models import Entity, Item
from webapp.catalog.storage import Kind

MAX_NAMES = 20
"""So many properties are told of; of more it is said how many there are."""

MAX_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Stand:
    """How a user or an item is written down at one moment; a user is never hidden."""

    properties: Mapping[str, Any]
    hidden: bool = False


@contextmanager
def told_of(project: Project, kind: Kind, entity_id: str, read: Callable[[bool], Entity | None]) -> Iterator[None]:
    """Around one write, in its transaction: what it changed, when somebody who is signed in does it and it changes anything.

    `read` answers the row or None, and locks it when it is told to.
    """
    if acting().kind is not ActorKind.ACCOUNT:
        yield
        return
    with transaction.atomic():
        before = _stand(read(True))
        yield
        after = _stand(read(False))
        if after is not None and after != before:
            action = f"{kind}_{_verb(before, after)}"
            details = _details(kind, before or Stand({}), after)
            audit_record(project=project, action=action, target=f"{kind} {entity_id}", details=details)


def _stand(row: Entity | None) -> Stand | None:
    return None if row is None else Stand(row.properties, isinstance(row, Item) and row.hidden)


def _verb(before: Stand | None, after: Stand) -> str:
    if before is None:
        return "create"
    if before.properties != after.properties:
        return "change"
    return "hide" if after.hidden else "show"


def _details(kind: Kind, before: Stand, after: Stand) -> dict[str, Any]:
    """Of an item its values before and after, shortened; of a user the names alone, for nothing can be erased from the audit log."""
    old, new = before.properties, after.properties
    names = sorted(name for name in old.keys() | new.keys() if _differ(old, new, name))
    told: dict[str, Any] = {}
    if names:
        told["properties"] = (
            names[:MAX_NAMES]
            if kind == "user"
            else {name: {"from": _value(old, name), "to": _value(new, name)} for name in names[:MAX_NAMES]}
        )
    if len(names) > MAX_NAMES:
        told["num_properties"] = len(names)
    if before.hidden != after.hidden:
        told["hidden"] = after.hidden
    return told


def _differ(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> bool:
    return (name in old) != (name in new) or old.get(name) != new.get(name)


def _value(properties: Mapping[str, Any], name: str) -> Any:
    """None where there is none, and text of one that is long."""
    value = properties.get(name)
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"
