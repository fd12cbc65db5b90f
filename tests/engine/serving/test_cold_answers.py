"""Whoever nobody knows gets sensible items at once, by what everyone does and by what the request says was done just now."""

from __future__ import annotations

from typing import Any

import pytest

from engine.serving.requests import SessionEvent
from engine.spec.event import Event
from engine.spec.schema import EventRole
from engine.streams import topics
from engine.streams.log import Record


@pytest.fixture
def busy(shop: Any) -> Any:
    """A thousand items, i999 the newest. i0 to i9 are acted on, i0 most; who takes `cup` takes `saucer` and `spoon`."""
    shop.write(*(f"i{number}" for number in range(1000)), "cup", "saucer", "spoon")
    for number in range(10):
        for user in range(20 - number):
            shop.click(f"user-{number}-{user}", f"i{number}")
    for user in range(4):
        for item_id in ("cup", "saucer", *(["spoon"] if user else [])):
            shop.click(f"tea-{user}", item_id)
    return shop


def now_ms(shop: Any) -> int:
    return int(shop.now_s * 1000)


def test_new_user_gets_what_is_trending_then_what_is_new(busy: Any) -> None:
    busy.deploy()
    items = busy.recommend("never seen", k=40).items
    assert [item.item_id for item in items[:10]] == [f"i{number}" for number in range(10)]
    assert {item.source for item in items[:13]} == {"trending_1h"}
    assert [item.item_id for item in items[13:20]] == [f"i{number}" for number in range(999, 992, -1)]
    assert {item.source for item in items[13:]} == {"latest"}


def test_anonymous_session_gets_what_goes_with_it_among_what_is_trending(busy: Any) -> None:
    busy.deploy()
    plain = [item.item_id for item in busy.recommend("", k=30).items]
    assert plain.index("saucer") > 9
    session = (SessionEvent("click", "cup", now_ms(busy)),)
    items = [item.item_id for item in busy.recommend("", k=30, session=session).items]
    assert "cup" not in items
    # The two that go with the session come before all that is merely trending, which follows in its own order.
    assert items[:2] == ["saucer", "spoon"]
    assert [item_id for item_id in items if item_id in plain[:10]] == plain[:10]


def test_session_leaves_nothing_behind(busy: Any) -> None:
    busy.deploy()
    before = busy.items("", k=30)
    busy.recommend("", k=5, session=(SessionEvent("click", "cup", now_ms(busy)),))
    assert busy.items("", k=30) == before


def test_event_changes_the_next_answer_before_any_parameter_has_moved(busy: Any) -> None:
    busy.deploy()
    assert busy.items("new", k=1) == ["i0"]
    busy.click("new", "cup")
    busy.click("new", "i0")
    busy.replica.poll()
    items = busy.items("new", k=3)
    assert items[:2] == ["saucer", "spoon"] and "i0" not in items


def test_user_whom_the_model_does_not_know_gets_no_empty_answer(busy: Any, pointing: Any) -> None:
    model = busy.retrieval_model()
    model.set_row("item", "i500", pointing(0))
    model.set_row("user", "known", pointing(0))
    model.publish(events_through=1, dense=True)
    busy.deploy(model)
    assert busy.items("known", k=1) == ["i500"]
    reply = busy.recommend("stranger", k=5)
    assert [item.item_id for item in reply.items] == ["i0", "i1", "i2", "i3", "i4"]
    assert reply.degraded == "empty_user"


def test_restarted_replica_knows_what_a_user_did(busy: Any) -> None:
    busy.deploy()
    before = busy.items("tea-1", k=20)
    busy.replica.close()
    end = busy.log.end_offsets(topics.events("shop"))[0]
    busy.log.trim(topics.events("shop"), 0, end)
    again = type(busy)(busy.directory, log=busy.log, now_s=busy.now_s)
    again.deploy()
    assert again.recommend("tea-1").features["history"] == ["cup", "saucer", "spoon"]
    assert not {"cup", "saucer", "spoon"} & set(again.items("tea-1", k=500))
    assert before


def test_impressions_are_followed_without_reading_what_was_logged_with_them(busy: Any) -> None:
    busy.deploy()
    at_ms = now_ms(busy)
    event = Event("shown", "impression", EventRole.IMPRESSION, "u", "i7", at_ms, at_ms, features={"user": {}})
    busy.log.append(topics.events("shop"), [Record("u", event.to_bytes(), at_ms)])
    busy.poll()
    state = busy.replica._projects["shop"].state
    assert state.impressions(state.catalogue.rows_of(["i7", "i8"])).tolist() == [1.0, 0.0]
