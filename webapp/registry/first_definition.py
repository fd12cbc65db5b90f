"""Where the model form starts from: what the schema offers as inputs, and a definition that uses it sensibly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.spec.architecture import kinds_of_retrieval
from engine.spec.schema import EventRole, PropertyType, Schema
from engine.spec.source_types import source_types

DIM = 16
MAX_PROPERTY_SLOTS = 8
MAX_WIDE_CROSSES = 64
NO_IDS = frozenset({PropertyType.FLOAT, PropertyType.VECTOR})
NUMERIC = frozenset({PropertyType.INTEGER, PropertyType.FLOAT, PropertyType.BOOLEAN, PropertyType.VECTOR})


def slot_sources(schema: Schema) -> list[str]:
    """Sources a slot may name: ids, the history, and every declared property that is not of floats."""
    return [source for source, found in source_types(schema).items() if found.type not in NO_IDS]


def dense_sources(schema: Schema) -> list[str]:
    """Sources a dense input may name: numbers, vectors and counters."""
    return [source for source, found in source_types(schema).items() if found.type in NUMERIC]


def feature_sources(document: Mapping[str, Any]) -> list[str]:
    """The document's own features, as sources of its slots and dense inputs."""
    return [f"feature.{each['name']}" for each in document.get("features") or [] if each.get("name")]


def label_events(schema: Schema) -> list[str]:
    """Event types a task may predict: actions first, then the rest."""
    actions = [name for name, declared in schema.events.items() if declared.role is EventRole.ACTION]
    return actions + [name for name in schema.events if name not in actions]


def declared_sources(schema: Schema) -> dict[str, PropertyType]:
    """Declared properties by source name."""
    sources = {f"user.{name}": declared.type for name, declared in schema.users.items()}
    sources |= {f"item.{name}": declared.type for name, declared in schema.items.items()}
    for event in schema.events.values():
        sources |= {f"event.{name}": declared.type for name, declared in event.properties.items()}
    return sources


def first_definition(schema: Schema, architecture: str) -> dict[str, Any]:
    """A document to start from: both ids, the history over the items' own rows, and the schema's categorical properties.

    A logistic_regression's slots have a weight instead of an embedding; a wide_deep remembers which past item goes with which; the
    history of a din or a sasrec is a sequence.
    """
    dim = 1 if architecture == "logistic_regression" else DIM
    slots: list[dict[str, Any]] = [
        {"name": "user_id", "number": 1, "source": "user.id", "dim": dim},
        {"name": "item_id", "number": 2, "source": "item.id", "dim": dim},
        {"name": "history", "number": 3, "source": "user.history", "dim": dim, "shares": "item_id"},
    ]
    categorical = [
        source
        for source, kind in declared_sources(schema).items()
        if kind in (PropertyType.STRING, PropertyType.STRING_LIST)
        and not (architecture in kinds_of_retrieval() and source.startswith("event."))
    ]
    for number, source in enumerate(categorical[:MAX_PROPERTY_SLOTS], start=4):
        slots.append({"name": source.replace(".", "_")[:63], "number": number, "source": source, "dim": dim})
    event_type = label_events(schema)[0]
    document: dict[str, Any] = {
        "slots": slots,
        "dense": [],
        "tasks": [{"name": event_type, "event_type": event_type}],
        "architecture": {"kind": architecture},
    }
    if architecture == "wide_deep":
        _remember_pairs(document)
    elif architecture in ("din", "sasrec"):
        slots[2]["pooling"] = "sequence"
    return document


def _remember_pairs(document: dict[str, Any]) -> None:
    """A wide slot of each past item crossed with the item in question."""
    slots = document["slots"]
    cross = {"kind": "cross", "name": "past_and_item", "sources": ["user.history", "item.id"]}
    document["features"] = [cross]
    wide = {"name": "past_and_item", "number": len(slots) + 1, "source": "feature.past_and_item", "dim": 1}
    slots.append({**wide, "max_values": MAX_WIDE_CROSSES, "pooling": "sum"})
    document["architecture"]["wide_slots"] = ["past_and_item"]
