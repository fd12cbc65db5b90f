"""An order to forget takes a user or an item out of everything that the joiner keeps, at its own place among the events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.features.histories import History, UserHistories
from engine.joining.impression import Impression
from engine.joining.joiner import Joiner
from engine.joining.pending import PendingImpressions
from engine.joining.process import JoinerProcess
from engine.joining.spilled import SpilledImpressions
from engine.joining.stages import Stages
from engine.joining.state import JoinerSettings
from engine.spec.erasure import Erased, Erasure, erasure_event, erasure_of_example
from engine.spec.event import CatalogChange, Event, ShownItem
from engine.spec.example import Cause, Example
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog
from engine.streams.partitioning import key_in

SCHEMA = Schema.parse(
    {
        "users": {"country": {"type": "string"}},
        "items": {"topic": {"type": "string"}},
        "events": {"impression": {"role": "impression"}, "click": {}},
        "join_window_s": 60,
        "joining": {"early_wait_s": 30},
        "counters": {
            "of_user": {"keys": ["user.id"], "event_types": ["click"], "windows_s": [3600]},
            "of_item": {"keys": ["item.id"], "event_types": ["click"], "windows_s": [3600]},
            "of_pair": {"keys": ["user.id", "item.topic"], "event_types": ["click"], "windows_s": [3600]},
        },
    }
)


def did(event_type: str, user_id: str, items: str | list[str], at_ms: int, **more: Any) -> Event:
    """A list of items makes it an impression of them."""
    role = SCHEMA.role_of(event_type)
    assert role is not None
    shown = tuple(ShownItem(one, place) for place, one in enumerate(items)) if isinstance(items, list) else ()
    item_id = None if isinstance(items, list) else items
    return Event(
        f"{event_type}-{user_id}-{at_ms}", event_type, role, user_id, item_id, at_ms, at_ms, items=shown, **more
    )


def order(kind: Any, entity_id: str, at_ms: int, key: str | None = None) -> Event:
    return erasure_event(Erasure("t1", kind, entity_id), key or entity_id, 0, at_ms)


def joined(joiner: Joiner, *events: Event) -> list[Example]:
    return joiner.process_batch([(0, offset, event) for offset, event in enumerate(events)])


@pytest.fixture
def shop() -> Joiner:
    joiner = Joiner(JoinerSettings.from_schema(SCHEMA))
    for user in ("ann", "bob"):
        joiner.apply_catalog(CatalogChange("user", user, {"country": "SE"}))
    for item in ("i1", "i2"):
        joiner.apply_catalog(CatalogChange("item", item, {"topic": "food"}))
    return joiner


def test_a_users_order_forgets_the_user_and_nobody_else(shop: Joiner) -> None:
    joined(
        shop,
        did("click", "ann", "i1", 1_000),
        did("click", "bob", "i1", 1_100),
        did("impression", "ann", ["i1", "i2"], 1_200, recommendation_id="r1"),
        did("impression", "bob", ["i2"], 1_300, recommendation_id="r2"),
        did("click", "ann", "i2", 1_400, recommendation_id="late"),
    )
    passed_on = joined(shop, order("user", "ann", 1_500))
    state = shop.state
    assert [erasure_of_example(one) for one in passed_on] == [Erasure("t1", "user", "ann")]
    # two items clicked, two shown waited, one action waited, and her counters: by her id, and by her id beside a topic
    counts = {"history_items": 2, "pending_impressions": 2, "early_actions": 1, "counters": 2}
    assert state.erased == [Erased(Erasure("t1", "user", "ann"), 0, counts)]
    assert "ann" not in state.users
    assert (state.histories.recent("ann"), state.histories.recent("bob")) == ((), ("i1",))
    assert [one.user_id for one in state.pending.in_memory()] == ["bob"]
    # what ends now is bob's alone
    after = joined(shop, did("click", "bob", "i1", 200_000))
    assert {one.user_id for one in after} == {"bob"}


def test_what_a_user_does_behind_the_order_is_a_new_users(shop: Joiner) -> None:
    joined(shop, did("click", "ann", "i1", 1_000), order("user", "ann", 1_500))
    [example] = joined(shop, did("click", "ann", "i2", 2_000))
    assert (example.history, example.user, example.counters["of_user_1h"]) == ((), {}, 0.0)
    assert shop.state.histories.recent("ann") == ("i2",)


def test_an_items_order_takes_it_out_of_histories_counters_and_what_waits(shop: Joiner) -> None:
    joined(
        shop,
        did("click", "ann", "i1", 1_000),
        did("click", "ann", "i2", 1_100),
        did("impression", "bob", ["i1", "i2"], 1_200, recommendation_id="r1"),
        did("impression", "bob", ["i1"], 1_300, recommendation_id="r2"),
        order("item", "i1", 1_500),
    )
    state = shop.state
    assert state.erased[0].counts == {
        "pending_impressions": 2,
        "early_actions": 0,
        "counters": 1,
        "recent_actions": 1,
    }
    assert state.histories.recent("ann") == ("i2",)
    assert [list(one.shown) for one in state.pending.in_memory()] == [["i2"]]
    assert set(state.recent_items.oldest_first()) == {"i2"}
    assert state.histories.to_arrow().column("item_ids").to_pylist() == [["i2"]]


def test_histories_without_an_item_are_as_if_it_had_been_taken_out_at_once() -> None:
    """Whether anybody has looked through all entries meanwhile makes no difference."""
    histories, looked_through = (UserHistories(length=2) for _ in range(2))
    for one in (histories, looked_through):
        one.record("ann", "i1", 1)
        one.record("ann", "i2", 2)
        one.forget_item("i1")
    looked_through.to_arrow()
    for one in (histories, looked_through):
        one.record("ann", "i3", 3)
        assert one.recent("ann") == ("i2", "i3")
        # acted on again it is new
        one.record("ann", "i1", 4)
        assert one.recent("ann") == ("i3", "i1")


def test_impressions_on_the_disk_are_forgotten_too(tmp_path: Path) -> None:
    stages = Stages({"click": 60_000}, 0, 60_000)
    pending = PendingImpressions(stages, 0, SpilledImpressions(tmp_path / "spilled", stages))
    for number, (user, items) in enumerate([("ann", ["i1"]), ("bob", ["i1", "i2"]), ("ann", ["i2"]), ("an", ["i2"])]):
        impression = Impression(f"e{number}", user, f"r{number}", 1_000, Cause(0, number, 1_000), {}, History(), {})
        for item in items:
            impression.show(item, {})
        impression.estimate_bytes(10)
        pending.add(impression)
    pending.spill()
    assert (pending.in_memory(), len(pending)) == ([], 5)
    assert pending.forget_user("ann") == 2
    assert len(pending) == 3
    assert pending.forget_item("i1") == 1
    assert [(one.user_id, list(one.shown)) for one in pending.in_memory()] == [("bob", ["i2"])]
    assert len(pending) == 2


def test_a_killed_joiner_forgets_again_and_says_the_same(tmp_path: Path) -> None:
    """The order has a place in the steps: whoever does them again ends with the same state, the same examples and the same counts."""
    log, told = MemoryLog(), list[Erased]()
    log.create_topic(topics.events("shop"))
    process = JoinerProcess(log, "shop", SCHEMA, tmp_path / "j", lambda: 10.0, on_erased=told.extend)
    events = [
        did("click", "ann", "i1", 1_000),
        order("user", "ann", 1_500),
        did("click", "ann", "i2", 2_000),
    ]
    log.append(topics.events("shop"), [Record(one.user_id, one.to_bytes(), one.timestamp_ms) for one in events])
    process.checkpoint()
    process.poll()
    first = [record.value for record in log.read(topics.examples("shop"), 0, 0)]
    # killed before the next checkpoint
    again = JoinerProcess(log, "shop", SCHEMA, tmp_path / "j", lambda: 10.0, on_erased=told.extend)
    again.poll()
    assert [record.value for record in log.read(topics.examples("shop"), 0, 0)] == first
    assert again.num_suppressed == 3
    assert told == [told[0]] * 2
    again.checkpoint()
    later = JoinerProcess(log, "shop", SCHEMA, tmp_path / "j", lambda: 10.0, on_erased=told.extend)
    later.poll()
    assert told == [told[0]] * 3


def test_an_items_order_stands_in_every_partition_and_is_passed_on_in_each(tmp_path: Path) -> None:
    log, told = MemoryLog(), list[Erased]()
    for topic in (topics.events("shop"), topics.examples("shop")):
        log.create_topic(topic, 3)
    process = JoinerProcess(log, "shop", SCHEMA, tmp_path / "j", lambda: 10.0, on_erased=told.extend)
    erasure = Erasure("t1", "item", "i1")
    events = [erasure_event(erasure, key_in(one, 3), one, 1_000) for one in range(3)]
    log.append(topics.events("shop"), [Record(one.user_id, one.to_bytes(), 1_000) for one in events])
    while process.poll():
        continue
    assert [len(log.read(topics.examples("shop"), one, 0)) for one in range(3)] == [1, 1, 1]
    assert {one.partition for one in told} == {0, 1, 2}


def test_folders_of_before_go_though_nothing_else_happens(tmp_path: Path) -> None:
    now_s = 10.0
    log = MemoryLog()
    for topic in (topics.events("p"), topics.catalog("p"), topics.examples("p")):
        log.create_topic(topic)
    process = JoinerProcess(log, "p", SCHEMA, tmp_path, lambda: now_s)

    def passed(events: list[Event]) -> set[str]:
        nonlocal now_s
        for event in events:
            log.append(topics.events("p"), [Record(event.user_id, event.to_bytes(), event.received_ms)])
        now_s += 60.0
        process.poll()
        return {folder.name for folder in tmp_path.iterdir() if folder.name.isdigit()}

    passed([did("click", "ann", "i1", 1_000)])
    before = passed([did("click", "bob", "i1", 2_000)])
    assert len(before) == 2
    passed([order("user", "ann", 3_000)])
    after = passed([])
    assert not before & after
    assert passed([]) == after
