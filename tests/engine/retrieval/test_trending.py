from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieval.trending import TrendingItems

HOUR_MS = 3_600_000


def test_count_one_half_life_older_weighs_half() -> None:
    trending = TrendingItems(half_life_s=3600.0)
    trending.record("old", 0, 0)
    trending.record("new", HOUR_MS, HOUR_MS)
    assert trending.top(2) == [("new", 1.0), ("old", 0.5)]


def test_many_old_actions_outweigh_one_new_one_until_they_decay() -> None:
    trending = TrendingItems(half_life_s=3600.0)
    for _ in range(3):
        trending.record("old", 0, 0)
    trending.record("new", HOUR_MS, HOUR_MS)
    assert [item for item, _ in trending.top(2)] == ["old", "new"]
    trending.record("new", 2 * HOUR_MS, 2 * HOUR_MS)
    assert dict(trending.top(2)) == pytest.approx({"new": 1.5, "old": 0.75})


def test_event_dated_in_the_future_counts_as_of_its_receipt() -> None:
    trending = TrendingItems(half_life_s=3600.0)
    trending.record("liar", 10_000 * HOUR_MS, HOUR_MS)
    trending.record("honest", HOUR_MS, HOUR_MS)
    trending.record("honest", HOUR_MS, HOUR_MS)
    assert dict(trending.top(2)) == pytest.approx({"honest": 2.0, "liar": 1.0})


def test_times_of_today_neither_overflow_nor_vanish() -> None:
    trending = TrendingItems(half_life_s=60.0)
    now_ms = 1_790_000_000_000
    trending.record("a", now_ms, now_ms)
    trending.record("a", now_ms - 60_000, now_ms)
    assert dict(trending.top(1)) == pytest.approx({"a": 1.5}, rel=1e-6)


def test_deleted_item_leaves_and_the_next_moves_up() -> None:
    trending = TrendingItems(top_size=1)
    for item, count in (("a", 3), ("b", 2), ("c", 1)):
        for _ in range(count):
            trending.record(item, 0, 0)
    trending.remove("a")
    assert [item for item, _ in trending.top(1)] == ["b"]


def test_tracked_items_stay_within_their_bound() -> None:
    trending = TrendingItems(top_size=2, max_items=8)
    for number in range(100):
        trending.record(f"i{number}", number * HOUR_MS, number * HOUR_MS)
    assert [item for item, _ in trending.top(2)] == ["i99", "i98"]
    assert len(trending._log_weights) <= 8


actions = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.sampled_from("abcdefgh"), st.integers(0, 20)),
        st.tuples(st.just("remove"), st.sampled_from("abcdefgh"), st.just(0)),
    ),
    max_size=60,
)


@given(actions)
def test_top_kept_on_the_way_is_the_top_of_all_counts(steps: list[tuple[str, str, int]]) -> None:
    trending = TrendingItems(half_life_s=3600.0, top_size=3)
    counts: dict[str, float] = defaultdict(float)
    newest = 0
    for step, item, hour in steps:
        if step == "remove":
            trending.remove(item)
            counts.pop(item, None)
        else:
            trending.record(item, hour * HOUR_MS, hour * HOUR_MS)
            counts[item] += 2.0**hour
            newest = max(newest, hour)
    best = sorted(counts.values(), reverse=True)[:3]
    assert [score for _, score in trending.top(3)] == pytest.approx([count / 2.0**newest for count in best])
