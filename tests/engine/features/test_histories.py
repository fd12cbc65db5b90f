from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.features.histories import History, UserHistories


def test_history_is_oldest_first_and_bounded() -> None:
    histories = UserHistories(length=3)
    for time_ms, item_id in enumerate("abcd"):
        histories.record("u", item_id, time_ms)
    assert histories.recent("u") == ("b", "c", "d")
    assert histories.recent("nobody") == ()


def test_late_event_takes_its_place_by_time() -> None:
    histories = UserHistories(length=3)
    for item_id, time_ms in [("c", 30), ("a", 10), ("b", 20), ("too_old", 5)]:
        histories.record("u", item_id, time_ms)
    assert histories.recent("u") == ("a", "b", "c")


def test_repeated_item_moves_to_its_newest_time() -> None:
    histories = UserHistories(length=3)
    for item_id, time_ms in [("a", 1), ("b", 2), ("a", 3), ("b", 1)]:
        histories.record("u", item_id, time_ms)
    assert histories.recent("u") == ("b", "a")


def test_user_recorded_longest_ago_is_forgotten() -> None:
    histories = UserHistories(length=2, max_users=2)
    histories.record("u", "a", 1)
    histories.record("v", "a", 2)
    histories.record("u", "b", 3)
    histories.record("w", "a", 4)
    assert [histories.recent(user) for user in "uvw"] == [("a", "b"), (), ("a",)]


@given(st.lists(st.tuples(st.sampled_from("uvwx"), st.sampled_from("abcdef"), st.integers(0, 9)), max_size=60))
def test_restored_copy_goes_on_as_the_original(records: list[tuple[str, str, int]]) -> None:
    histories = UserHistories(length=3, max_users=3)
    half = len(records) // 2
    for record in records[:half]:
        histories.record(*record)
    copy = UserHistories.from_arrow(histories.to_arrow(), length=3, max_users=3)
    for record in records[half:]:
        histories.record(*record)
        copy.record(*record)
    assert copy.to_arrow().equals(histories.to_arrow())


@given(st.lists(st.tuples(st.sampled_from("uv"), st.sampled_from("abcdef"), st.integers(0, 9)), max_size=60))
def test_history_equals_a_sort_of_all_records(records: list[tuple[str, str, int]]) -> None:
    """Oracle: sort the newest time of each item, keep the last. Only where nothing can fall out (six items, length six)."""
    histories = UserHistories(length=6)
    newest: dict[tuple[str, str], tuple[int, int]] = {}
    for number, (user, item, time_ms) in enumerate(records):
        histories.record(user, item, time_ms)
        newest[user, item] = max(newest.get((user, item), (-1, -1)), (time_ms, number))
    for user in "uv":
        expected = sorted((place, item) for (owner, item), place in newest.items() if owner == user)
        assert histories.recent(user) == tuple(item for _, item in expected)


def test_history_tells_types_and_times_of_the_newest_event_on_each_item() -> None:
    histories = UserHistories(length=3)
    for event_type, item_id, time_ms in [("click", "a", 1), ("click", "b", 2), ("purchase", "a", 3), ("click", "b", 1)]:
        histories.record("u", item_id, time_ms, event_type)
    assert histories.history("u") == History(("b", "a"), ("click", "purchase"), (2, 3))
    assert histories.history("u").last(1) == History(("a",), ("purchase",), (3,))
    assert histories.history("nobody") == History()


def test_histories_kept_before_event_types_are_still_read() -> None:
    histories = UserHistories(length=3)
    histories.record("u", "a", 1, "click")
    copy = UserHistories.from_arrow(histories.to_arrow().drop_columns(["event_types"]))
    assert copy.history("u") == History(("a",), ("",), (1,))
