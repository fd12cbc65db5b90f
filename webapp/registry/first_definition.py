"""Where the model form starts from: what the schema offers as inputs, and a definition that uses it sensibly."""

from __future__ import annotations

from typing import Any

from engine.spec.schema import EventRole, PropertyType, Schema

DIM = 16
MAX_PROPERTY_SLOTS = 8
NUMERIC = frozenset({PropertyType.INTEGER, PropertyType.FLOAT, PropertyType.BOOLEAN})


def slot_sources(schema: Schema) -> list[str]:
    """Sources a slot may name: ids, the history, and every declared property that is not a float."""
    return ["user.id", "item.id", "user.history"] + [
        source for source, kind in declared_sources(schema).items() if kind is not PropertyType.FLOAT
    ]


def dense_sources(schema: Schema) -> list[str]:
    return [source for source, kind in declared_sources(schema).items() if kind in NUMERIC]


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
    """A document to start from: both ids, the history over the items' own rows, and the schema's categorical properties."""
    slots: list[dict[str, Any]] = [
        {"name": "user_id", "number": 1, "source": "user.id", "dim": DIM},
        {"name": "item_id", "number": 2, "source": "item.id", "dim": DIM},
        {"name": "history", "number": 3, "source": "user.history", "dim": DIM, "shares": "item_id"},
    ]
    categorical = [
        source
        for source, kind in declared_sources(schema).items()
        if kind in (PropertyType.STRING, PropertyType.STRING_LIST)
        and not (architecture == "two_tower" and source.startswith("event."))
    ]
    for number, source in enumerate(categorical[:MAX_PROPERTY_SLOTS], start=4):
        slots.append({"name": source.replace(".", "_")[:63], "number": number, "source": source, "dim": DIM})
    event_type = label_events(schema)[0]
    return {
        "slots": slots,
        "dense": [],
        "tasks": [{"name": event_type, "event_type": event_type}],
        "architecture": {"kind": architecture},
    }
