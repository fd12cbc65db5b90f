"""What an example's labels say beside that the action happened."""

from __future__ import annotations

from typing import Any

from engine.joining.joiner import Joiner
from engine.joining.state import JoinerSettings
from engine.spec.event import Event
from engine.spec.schema import Schema

PROPERTIES = {"seconds": {"type": "float"}, "stars": {"type": "integer"}, "device": {"type": "string"}}
SCHEMA = Schema.parse(
    {
        "events": {
            "impression": {"role": "impression", "properties": PROPERTIES},
            "watch": {"properties": PROPERTIES},
            "login": {"role": "other"},
        }
    }
)


def event(event_id: str, event_type: str, at_ms: int, item_id: str | None, **properties: Any) -> Event:
    role = SCHEMA.events[event_type].role
    return Event(event_id, event_type, role, "u", item_id, at_ms, at_ms, properties=properties)


def test_the_numbers_of_an_action_are_labels_too() -> None:
    joiner = Joiner(JoinerSettings.from_schema(SCHEMA))
    events = [
        event("i1", "impression", 0, "a", seconds=7.5),
        event("w1", "watch", 1, "a", seconds=31.5, device="tv"),
        event("w2", "watch", 2, "b", stars=4),
        event("i2", "impression", 3, "c"),
        event("end", "login", 999_999_999, None),
    ]
    examples = joiner.process_batch((0, offset, one) for offset, one in enumerate(events))
    assert [(example.example_id, example.labels) for example in examples] == [
        ("i1:a:watch", {"watch": 1.0, "watch.seconds": 31.5}),
        ("w2", {"watch": 1.0, "watch.stars": 4.0}),
        ("i2:c:none", {"watch": 0.0}),
    ]
