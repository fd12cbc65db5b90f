from __future__ import annotations

import threading
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.histories import History, UserHistories
from engine.retrieval.item_numbers import ItemNumbers
from engine.retrieval.user_actions import UserActions


def made(max_items: int = 5, max_users: int = 100) -> UserActions:
    return UserActions(ItemNumbers(), threading.Lock(), max_items=max_items, max_users=max_users)


def test_history_has_each_item_once_with_what_was_done_last() -> None:
    actions = made()
    for item_id, time_ms, event_type in (("a", 1, "click"), ("b", 2, "click"), ("a", 3, "buy"), ("c", 0, "click")):
        actions.record("u", item_id, time_ms, event_type)
    assert actions.history("u", 9) == History(("c", "b", "a"), ("click", "click", "buy"), (0, 2, 3))
    assert actions.history("u", 1) == History(("a",), ("buy",), (3,))
    assert actions.history("nobody", 9) == History()


def test_history_is_read_anew_when_the_user_acts_and_when_an_item_is_forgotten() -> None:
    items = ItemNumbers()
    actions = UserActions(items, threading.Lock(), max_items=5, max_users=100)
    actions.record("u", "a", 1, "click")
    actions.record("u", "b", 2, "click")
    first = actions.history("u", 9)
    assert actions.history("u", 9) is first
    assert actions.history("u", 1).item_ids == ("b",)
    # told again, an event changes nothing
    actions.record("u", "b", 2, "click")
    assert actions.history("u", 9) == first
    actions.record("u", "c", 3, "click")
    assert actions.history("u", 9).item_ids == ("a", "b", "c")
    items.forget("b")
    actions.forget_reads()
    assert actions.history("u", 9).item_ids == ("a", "c")
    actions.forget("u")
    assert actions.history("u", 9) == History()


def test_items_are_told_by_type_and_time_of_each_event() -> None:
    actions = made()
    for item_id, time_ms, event_type in (("a", 1, "buy"), ("a", 9, "click"), ("b", 5, "buy"), ("c", 7, "click")):
        actions.record("u", item_id, time_ms, event_type)
    assert set(actions.items("u")) == {"a", "b", "c"}
    assert set(actions.items("u", ["buy"])) == {"a", "b"}
    assert set(actions.items("u", ["buy"], since_ms=5)) == {"b"}
    assert set(actions.items("u", None, since_ms=6)) == {"a", "c"}
    assert actions.items("u", ["never heard of"]) == actions.items("nobody") == []


def test_one_item_too_many_takes_the_one_acted_on_longest_ago_by_any_event() -> None:
    actions = made(max_items=2)
    for item_id, time_ms, event_type in (("a", 1, "buy"), ("b", 2, "click"), ("a", 3, "click"), ("c", 4, "click")):
        actions.record("u", item_id, time_ms, event_type)
    assert set(actions.items("u")) == {"a", "c"}
    assert actions.items("u", ["buy"]) == ["a"]


def test_events_of_ever_new_types_do_not_grow_without_end() -> None:
    actions = made(max_items=3)
    for number in range(100):
        actions.record("u", "a", number, f"type-{number}")
    assert len(actions.record_of("u").item_ids) == 12
    assert actions.history("u", 5) == History(("a",), ("type-99",), (99,))


def test_users_who_acted_longest_ago_make_room() -> None:
    actions = made(max_users=2)
    for user_id in ("a", "b", "a", "c"):
        actions.record(user_id, "x", 1, "click")
    actions.history("b", 1)
    assert (len(actions), actions.items("b")) == (2, [])


def test_item_without_uses_gives_its_number_back() -> None:
    numbers = ItemNumbers()
    lock = threading.Lock()
    actions, others = (UserActions(numbers, lock, max_items=3, max_users=10) for _ in range(2))
    others.record("u", "kept", 1, "click")
    for number in range(1000):
        actions.record("u", f"i{number}", number, "click")
        actions.record("u", f"i{number}", number, "click")
        actions.record("u", f"i{number}", number - 1, "click")
    assert len(numbers) == 4
    assert len(numbers.copied_ids()) <= 6
    actions.forget("u")
    actions.forget("nobody")
    assert (len(numbers), others.items("u")) == (1, ["kept"])


def test_bounds_below_one_are_refused() -> None:
    for wrong in ({"max_items": 0}, {"max_users": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            made(**wrong)


events = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdefgh"), st.integers(0, 12), st.sampled_from(["x", "y"])),
    max_size=80,
)


@given(events, st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_history_is_that_of_the_joiner(steps: list[tuple[str, str, int, str]], length: int) -> None:
    joined, actions = UserHistories(length), made(max_items=8)
    for step in steps:
        user_id, item_id, time_ms, event_type = step
        joined.record(user_id, item_id, time_ms, event_type)
        actions.record(user_id, item_id, time_ms, event_type)
    for user_id in "uvw":
        assert actions.history(user_id, length) == joined.history(user_id)


@given(events, st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_what_is_kept_is_what_a_plain_model_keeps(
    steps: list[tuple[str, str, int, str]], max_items: int, max_users: int
) -> None:
    actions = made(max_items, max_users)
    users: OrderedDict[str, list[tuple[int, str, str]]] = OrderedDict()
    for user_id, item_id, time_ms, event_type in steps:
        actions.record(user_id, item_id, time_ms, event_type)
        entries = users.setdefault(user_id, [])
        users.move_to_end(user_id)
        old = next((each for each in entries if each[1:] == (item_id, event_type)), None)
        if old is None or old[0] <= time_ms:
            if old is not None:
                entries.remove(old)
            place = len([each for each in entries if each[0] <= time_ms])
            entries.insert(place, (time_ms, item_id, event_type))
        newest = {each[1]: place for place, each in enumerate(entries)}
        kept = sorted(newest, key=newest.__getitem__)[-max_items:]
        entries[:] = [each for each in entries if each[1] in kept]
        while len(users) > max_users:
            users.popitem(last=False)
    assert len(actions) == len(users)
    for user_id, entries in users.items():
        record = actions.record_of(user_id)
        assert list(zip(record.times_ms, record.item_ids, record.event_types, strict=True)) == entries
