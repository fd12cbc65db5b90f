"""What each source of a schema is, in words, and what a definition does not use yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.spec.schema import PropertyType, Schema
from engine.spec.source_types import SourceType, source_types
from webapp.registry.first_definition import DIM, NO_IDS

_KNOWN: Final = {
    "user.id": "who asks or acts",
    "item.id": "the item in question",
    "user.history": "the items that the user acted on last",
    "user.history_types": "by what type of event each was acted on",
    "user.history_ages_s": "how long ago, in powers of two",
    "event.time": "when it happened; make an hour or a weekday of it",
}
_TYPES: Final = {
    PropertyType.STRING: "a word",
    PropertyType.STRING_LIST: "a list of words",
    PropertyType.INTEGER: "an integer",
    PropertyType.FLOAT: "a number",
    PropertyType.BOOLEAN: "yes or no",
    PropertyType.TIMESTAMP: "a time",
    PropertyType.VECTOR: "a vector",
}
_OF: Final = {"user": "of the user", "item": "of the item", "event": "of the request"}
_NOT_OFFERED: Final = ("event.time", "user.history_types", "user.history_ages_s")


@dataclass(frozen=True, slots=True)
class Offer:
    """A source that the definition does not use. `as_slot`: it gives ids; otherwise it is a number."""

    source: str
    words: str
    as_slot: bool


def source_words(source: str, types: Mapping[str, SourceType]) -> str:
    """As "a word of the item", "a counter beside user and item"; empty for what the schema does not declare."""
    if source in _KNOWN:
        return _KNOWN[source]
    entity, _, _ = source.partition(".")
    if entity == "feature":
        return "a derived feature"
    found = types.get(source)
    if found is None:
        return ""
    if entity in ("counter", "user_counter"):
        return "a counter of the user" if entity == "user_counter" else "a counter of user and item together"
    dim = f" of {found.dim} numbers" if found.type is PropertyType.VECTOR else ""
    return f"{_TYPES[found.type]}{dim} {_OF.get(entity, '')}".strip()


def offers(schema: Schema, document: Mapping[str, Any], *, is_retrieval: bool) -> list[Offer]:
    """What the schema has and the definition leaves out; of a retrieval model nothing of user and item together."""
    used = {str(row.get("source")) for part in ("slots", "dense") for row in document.get(part) or []}
    for feature in document.get("features") or []:
        used |= {str(feature.get("source")), *map(str, feature.get("sources") or [])}
    types = source_types(schema)
    return [
        Offer(source, source_words(source, types), found.type not in NO_IDS)
        for source, found in types.items()
        if source not in used
        and source not in _NOT_OFFERED
        and found.type is not PropertyType.TIMESTAMP
        and not (is_retrieval and source.startswith("counter."))
    ]


def take_up(document: dict[str, Any], source: str, types: Mapping[str, SourceType]) -> None:
    """Add a source to the document: ids as a slot with the next free number, numbers as a dense input. Unknown ones change nothing."""
    found = types.get(source)
    if found is None:
        return
    name = source.replace(".", "_")[:63]
    if found.type in NO_IDS:
        row: dict[str, Any] = {"name": name, "source": source}
        row |= {"dim": found.dim} if found.type is PropertyType.VECTOR else {"transform": "standardise"}
        document.setdefault("dense", []).append(row)
        return
    slots = document.setdefault("slots", [])
    numbers = [slot["number"] for slot in slots if isinstance(slot.get("number"), int)]
    dims = [slot["dim"] for slot in slots if isinstance(slot.get("dim"), int)]
    slots.append(
        {"name": name, "number": max(numbers, default=0) + 1, "source": source, "dim": dims[0] if dims else DIM}
    )
