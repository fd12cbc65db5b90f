"""Whoever writes to a topic beside the API: a record of the wrong shape is refused where it is read, whatever it holds."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from engine.errors import CorruptRecord
from engine.spec.event import CatalogChange, Event
from engine.spec.example import Example

EVENT: dict[str, Any] = {
    "event_id": "e1", "type": "click", "role": "action", "user_id": "u", "item_id": "a", "timestamp_ms": 1, "received_ms": 2,
    "recommendation_id": None, "items": [], "properties": {}, "features": None,
}  # fmt: skip
EXAMPLE: dict[str, Any] = {
    "example_id": "e1", "user_id": "u", "item_id": "a", "event_time_ms": 1, "origin": "action", "labels": {"click": 1.0},
    "cause": {"partition": 0, "offset": 0, "received_ms": 2},
    "history": [],
}  # fmt: skip
CHANGE: dict[str, Any] = {"kind": "item", "id": "a", "properties": {}}


def test_records_as_we_write_them_are_read() -> None:
    assert Event.from_bytes(orjson.dumps(EVENT)).user_id == "u"
    assert Example.from_bytes(orjson.dumps(EXAMPLE)).history == ()
    assert CatalogChange.from_bytes(orjson.dumps(CHANGE)).id == "a"


def test_only_a_hidden_item_is_written_as_readers_before_hiding_cannot_read_it() -> None:
    item = CatalogChange("item", "a", {"price": 1.0}, updated_ms=5)
    old_fields = {"kind", "id", "properties", "deleted", "updated_ms"}
    assert orjson.loads(item.to_bytes()).keys() == old_fields
    assert CatalogChange.from_bytes(item.to_bytes()) == item
    hidden = CatalogChange("item", "a", {"price": 1.0}, updated_ms=5, hidden=True)
    assert CatalogChange.from_bytes(hidden.to_bytes()) == hidden


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", 7),
        ("user_id", "nul\x00"),  # PostgreSQL's text cannot hold it, so appending an example for it would fail for ever
        ("item_id", ["a"]),
        ("timestamp_ms", "1"),
        ("timestamp_ms", 2**63),
        ("received_ms", None),
        ("received_ms", True),
        ("recommendation_id", {}),
        ("items", [{"item_id": 3}]),
        ("items", None),
        ("properties", None),
        ("features", {"history": "abc"}),
        ("features", {"history": [1]}),
        ("features", {"history_types": "click"}),
        ("features", {"history_types": [1]}),
        ("features", {"history_times_ms": ["1"]}),
        ("features", {"time_ms": 1.5}),
        ("features", {"items": {"a": 1}}),
        ("features", {"user": ""}),
        ("role", "watcher"),
    ],
)
def test_event_of_the_wrong_shape_is_refused(field: str, value: object) -> None:
    with pytest.raises(CorruptRecord, match="not an event"):
        Event.from_bytes(orjson.dumps(EVENT | {field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", 1),
        ("event_time_ms", 1.5),
        ("labels", {"click": "yes"}),
        ("labels", [1]),
        ("weight", -1),
        ("weight", None),
        ("sampling_rate", 0),
        ("history", [None]),
        ("history_types", [None]),
        ("history_types", 1),
        ("history_times_ms", ["1"]),
        ("request_time_ms", "now"),
        ("item", None),
        ("cause", {"partition": "0", "offset": 0, "received_ms": 0}),
    ],
)
def test_example_of_the_wrong_shape_is_refused(field: str, value: object) -> None:
    with pytest.raises(CorruptRecord, match="not an example"):
        Example.from_bytes(orjson.dumps(EXAMPLE | {field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", "shop"), ("id", ""), ("properties", None), ("updated_ms", "now"), ("deleted", 1), ("hidden", "yes")],
)
def test_catalogue_change_of_the_wrong_shape_is_refused(field: str, value: object) -> None:
    with pytest.raises(CorruptRecord, match="not a catalogue change"):
        CatalogChange.from_bytes(orjson.dumps(CHANGE | {field: value}))


@pytest.mark.parametrize("document", [b"", b"null", b"[]", b"7", b'"text"', b"\xff"])
@pytest.mark.parametrize("kind", [Event, Example, CatalogChange])
def test_what_is_no_document_is_refused(
    kind: type[Event] | type[Example] | type[CatalogChange], document: bytes
) -> None:
    with pytest.raises(CorruptRecord):
        kind.from_bytes(document)
