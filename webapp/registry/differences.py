"""What changed between two versions of a document, as dotted paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

ABSENT = object()


@dataclass(frozen=True)
class Difference:
    """One path that was added, removed or changed; `before` and `after` are None where there was nothing."""

    kind: Literal["added", "removed", "changed"]
    path: str
    before: Any
    after: Any


def differences(before: Any, after: Any) -> list[Difference]:
    """Differences of two JSON documents, ordered by path. A whole added or removed branch is one difference.

    Lists whose members are objects with a `name` are matched by that name, so that a moved slot is not a change.
    """
    return list(_walk("", before, after))


def _walk(path: str, before: Any, after: Any) -> list[Difference]:
    if before is ABSENT:
        return [Difference("added", path, None, after)]
    if after is ABSENT:
        return [Difference("removed", path, before, None)]
    before_members, after_members = _members(before), _members(after)
    if before_members is None or after_members is None:
        return [] if before == after else [Difference("changed", path, before, after)]
    found: list[Difference] = []
    for key in sorted(before_members.keys() | after_members.keys()):
        inner = f"{path}.{key}" if path else key
        found += _walk(inner, before_members.get(key, ABSENT), after_members.get(key, ABSENT))
    return found


def _members(value: Any) -> dict[str, Any] | None:
    """A document's parts by name; None for what is compared whole."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and all(isinstance(part, dict) and "name" in part for part in value):
        return {str(part["name"]): part for part in value}
    return None
