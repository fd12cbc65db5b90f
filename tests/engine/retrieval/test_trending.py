from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieval.allowed import RequestAllowed
from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.source import Action
from engine.retrieval.trending import TrendingItems
from engine.spec.event import CatalogChange

HOUR_MS = 3_600_000
NOBODY = Asker("-", {}, {}, ())


def catalogue_of(item_ids: Iterable[str]) -> Catalogue:
    catalogue = Catalogue()
    catalogue.apply(CatalogChange("item", item_id) for item_id in item_ids)
    return catalogue


CATALOGUE = catalogue_of(["old", "new", *"abcdefgh", *(f"i{number}" for number in range(100))])


def top(trending: TrendingItems, num_items: int) -> list[tuple[str, float]]:
    trending.renew()
    found = trending.retrieve(NOBODY, num_items, RequestAllowed(CATALOGUE, []))
    return list(zip(CATALOGUE.ids_of(found.rows), found.scores.tolist(), strict=True))


def record(trending: TrendingItems, item_id: str, time_ms: int) -> None:
    trending.observe([Action("u", item_id, time_ms)])


def test_count_one_half_life_older_weighs_half() -> None:
    trending = TrendingItems(CATALOGUE, half_life_s=3600.0)
    record(trending, "old", 0)
    record(trending, "new", HOUR_MS)
    assert top(trending, 2) == [("new", 1.0), ("old", 0.5)]


def test_many_old_actions_outweigh_one_new_one_until_they_decay() -> None:
    trending = TrendingItems(CATALOGUE, half_life_s=3600.0)
    for _ in range(3):
        record(trending, "old", 0)
    record(trending, "new", HOUR_MS)
    assert [item for item, _ in top(trending, 2)] == ["old", "new"]
    record(trending, "new", 2 * HOUR_MS)
    assert dict(top(trending, 2)) == pytest.approx({"new": 1.5, "old": 0.75})


def test_times_of_today_neither_overflow_nor_vanish() -> None:
    trending = TrendingItems(CATALOGUE, half_life_s=60.0)
    now_ms = 1_790_000_000_000
    record(trending, "a", now_ms)
    record(trending, "a", now_ms - 60_000)
    assert dict(top(trending, 1)) == pytest.approx({"a": 1.5}, rel=1e-6)


def test_deleted_item_leaves_and_the_next_moves_up() -> None:
    trending = TrendingItems(CATALOGUE, top_size=1)
    for item, count in (("a", 3), ("b", 2), ("c", 1)):
        for _ in range(count):
            record(trending, item, 0)
    trending.forget("a")
    assert [item for item, _ in top(trending, 1)] == ["b"]


def test_tracked_items_stay_within_their_bound() -> None:
    trending = TrendingItems(CATALOGUE, top_size=2, max_items=8)
    for number in range(100):
        record(trending, f"i{number}", number * HOUR_MS)
    assert [item for item, _ in top(trending, 2)] == ["i99", "i98"]
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
    trending = TrendingItems(CATALOGUE, half_life_s=3600.0, top_size=3)
    counts: dict[str, float] = defaultdict(float)
    newest = 0
    for step, item, hour in steps:
        if step == "remove":
            trending.forget(item)
            counts.pop(item, None)
        else:
            record(trending, item, hour * HOUR_MS)
            counts[item] += 2.0**hour
            newest = max(newest, hour)
    best = sorted(counts.values(), reverse=True)[:3]
    assert [score for _, score in top(trending, 3)] == pytest.approx([count / 2.0**newest for count in best])
