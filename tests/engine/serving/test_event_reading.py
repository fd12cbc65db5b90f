from __future__ import annotations

import orjson
import pytest

from engine.errors import CorruptRecord
from engine.serving.event_reading import read_event
from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole
from engine.spec.served import Served


def impression(**more: object) -> Event:
    items = (ShownItem("a", 0, 0.5), ShownItem("b", 1))
    values = {"items": items, "features": {"user": {"x": 1}, "items": {"a": {"features": {"deep": 1}}}}, **more}
    return Event("e", "impression", EventRole.IMPRESSION, "u", None, 5, 6, **values)  # type: ignore[arg-type]


def test_impression_is_read_without_what_was_logged_with_it() -> None:
    event = read_event(impression(served=Served("main", 1)).to_bytes(), 6, None)
    assert (event.features, event.served, event.item_ids) == (None, None, ("a", "b"))
    assert event == impression(features=None)


@pytest.mark.parametrize(
    "properties", [{"features": {"x": 1}}, {"a": {"b": 1, "features": {"c": 2}}}, {"t": ',"features":{'}]
)
def test_features_that_are_a_property_of_something_else_stay(properties: dict[str, object]) -> None:
    assert read_event(impression(properties=properties).to_bytes(), 6, None).properties == properties


def test_actions_are_read_whole() -> None:
    event = Event("e", "click", EventRole.ACTION, "u", "a", 5, 6, features={"user": {}})
    assert read_event(event.to_bytes(), 6, None) == event


def test_what_is_no_event_is_refused() -> None:
    for value in (b"", b"{}", b'{"event_id":"e","type":"t","role":"impression","features":{}}', orjson.dumps([1])):
        with pytest.raises(CorruptRecord):
            read_event(value, 6, None)
