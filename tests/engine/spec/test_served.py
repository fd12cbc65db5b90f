"""What served an impression travels with its event, and events without it are as they always were."""

from __future__ import annotations

import orjson
import pytest

from engine.errors import CorruptRecord
from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole
from engine.spec.served import Served, ServedModel

PLAIN = Event("e1", "impression", EventRole.IMPRESSION, "u", None, 1, 2, "r1", (ShownItem("a"), ShownItem("b", 1)))
SERVED = Served("main", 3, ("two_tower", "latest"), (1.0, 0.25), "first", "new")
WHOLE = Served(
    "main", 3, ("latest",), (1.0,),
    models=(ServedModel("ranking", "ranker", 2, 41, 0.5),), degraded="no_model", replica="r-1", asked={"ask": "rank", "k": 3},
)  # fmt: skip


def with_served(served: Served | None) -> Event:
    return Event(
        PLAIN.event_id, PLAIN.type, PLAIN.role, PLAIN.user_id, None, 1, 2, PLAIN.recommendation_id, PLAIN.items,
        served=served,
    )  # fmt: skip


def test_served_comes_back_as_it_went() -> None:
    for served in (SERVED, WHOLE, Served("main", 0), Served("next", 1, shadow_of="r0")):
        assert Event.from_bytes(with_served(served).to_bytes()).served == served


def test_event_that_nothing_served_is_written_as_before_there_was_such_a_field() -> None:
    written = orjson.loads(PLAIN.to_bytes())
    assert "served" not in written
    assert list(written) == [
        "event_id", "type", "role", "user_id", "item_id", "timestamp_ms", "received_ms", "recommendation_id", "items",
        "properties", "features",
    ]  # fmt: skip
    assert Event.from_bytes(PLAIN.to_bytes()) == PLAIN


def test_what_a_newer_release_adds_to_served_is_passed_over() -> None:
    raw = orjson.loads(with_served(SERVED).to_bytes())
    raw["served"]["weather"] = "rain"
    assert Event.from_bytes(orjson.dumps(raw)).served == SERVED


def test_served_of_before_it_said_parameters_has_none() -> None:
    raw = orjson.loads(with_served(WHOLE).to_bytes())
    for later in ("models", "degraded", "replica", "asked"):
        del raw["served"][later]
    read = Event.from_bytes(orjson.dumps(raw)).served
    assert read == Served("main", 3, ("latest",), (1.0,))


@pytest.mark.parametrize(
    "served",
    [
        7,
        {},
        {"deployment": "main"},
        {"deployment": "main", "revision": "3"},
        {"deployment": 3, "revision": 3},
        {"deployment": "main", "revision": 3, "sources": "two_tower"},
        {"deployment": "main", "revision": 3, "sources": [1]},
        {"deployment": "main", "revision": 3, "propensities": [None]},
        {"deployment": "main", "revision": 3, "arm": {}},
        {"deployment": "main", "revision": 3, "shadow_of": ""},
        {"deployment": "main", "revision": 3, "models": [{"role": "ranking", "name": "ranker"}]},
        {"deployment": "main", "revision": 3, "models": ["ranker"]},
        {"deployment": "main", "revision": 3, "degraded": 1},
        {"deployment": "main", "revision": 3, "asked": []},
    ],
)
def test_served_of_the_wrong_shape_is_refused(served: object) -> None:
    raw = orjson.loads(PLAIN.to_bytes()) | {"served": served}
    with pytest.raises(CorruptRecord, match="not an event"):
        Event.from_bytes(orjson.dumps(raw))
