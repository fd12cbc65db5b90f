from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.retrieval.item_to_item import ItemToItem, ItemToItemSettings

HOUR_MS = 3_600_000
NOW_MS = 1_790_000_000_000
PLAIN = ItemToItemSettings(half_life_s=3600.0, max_gap_s=1e9, shrinkage=0.0, popularity_power=0.0, source_decay=1.0)

Action = tuple[str, str, int]


def fed(actions: list[Action], made: ItemToItemSettings = PLAIN, sizes: list[int] | None = None) -> ItemToItem:
    """An index that saw the actions (context, item, time), in calls of the sizes given."""
    index = ItemToItem(made)
    feed(index, actions, sizes)
    return index


def feed(index: ItemToItem, actions: list[Action], sizes: list[int] | None = None) -> None:
    start = 0
    for size in [*(sizes or []), len(actions)]:
        part = actions[start : start + size]
        index.observe([each[0] for each in part], [each[1] for each in part], [each[2] for each in part])
        start += size


def found(index: ItemToItem, *history: str, num_items: int = 100) -> list[tuple[str, float]]:
    answer = index.find([history], num_items)
    return list(zip(index.ids(answer.rows), answer.scores.tolist(), strict=True))


def close(*pairs: tuple[str, float]) -> Any:
    return [(item, pytest.approx(score)) for item, score in pairs]


def counts(index: ItemToItem) -> dict[str, float]:
    items = index.to_arrow().items.to_pydict()
    return dict(zip(items["item_id"], items["count"], strict=True))


def state_of(index: ItemToItem) -> tuple[Any, Any]:
    tables = index.to_arrow()
    return tables.items.to_pydict(), tables.contexts.to_pydict()


def test_share_of_an_items_users_who_took_the_other() -> None:
    index = fed(
        [("u", "a", 0), ("u", "b", 0), ("v", "a", 0), ("v", "c", 0), ("w", "a", 0), ("w", "c", 0), ("x", "a", 0)]
    )
    # Four took a; of those two took c, one b.
    assert found(index, "a") == [("c", 0.5), ("b", 0.25)]
    assert found(index, "c") == [("a", 1.0)]


def test_pair_of_one_half_life_ago_counts_half() -> None:
    index = fed([("u", "a", 0), ("u", "b", 0), ("v", "a", HOUR_MS), ("v", "c", HOUR_MS)])
    # a: 1 + 1/2 as of now; c with it 1, b with it 1/2.
    assert found(index, "a") == close(("c", 1 / 1.5), ("b", 0.5 / 1.5))


def test_cosine_divides_by_both_and_shrinkage_by_more() -> None:
    actions = [("u", "a", 0), ("u", "b", 0), ("v", "a", 0), ("w", "b", 0), ("x", "b", 0)]
    assert found(fed(actions, replace(PLAIN, popularity_power=0.5)), "a") == close(("b", 1 / np.sqrt(2 * 3)))
    shrunk = fed(actions, replace(PLAIN, popularity_power=0.5, shrinkage=4.0))
    assert found(shrunk, "a") == close(("b", 1 / np.sqrt(6 * 7)))


def test_items_too_far_apart_in_time_or_order_do_not_occur_together() -> None:
    apart = [("u", "a", 0), ("u", "b", 1_001)]
    assert found(fed(apart, replace(PLAIN, max_gap_s=1.0)), "a") == []
    assert found(fed(apart, replace(PLAIN, max_gap_s=1.001)), "a") != []
    in_a_row = [("u", item, 0) for item in "abcd"]
    # A window of two: d meets b and c, not a.
    assert {item for item, _ in found(fed(in_a_row, replace(PLAIN, window_items=2)), "d")} == {"b", "c"}


def test_item_taken_again_in_one_session_says_nothing_more_and_keeps_its_place_as_the_newest() -> None:
    again = [("u", "a", 0), ("u", "b", 0), ("u", "a", 0), ("u", "b", 0)]
    assert found(fed(again), "a") == [("b", 1.0)]
    # After c and d a window of three holds a, c, d: a was renewed after b.
    renewed = [("u", item, 0) for item in "abacde"]
    assert {item for item, _ in found(fed(renewed, replace(PLAIN, window_items=3)), "e")} == {"a", "c", "d"}


def test_item_taken_again_after_the_gap_counts_anew() -> None:
    index = fed([("u", "a", 0), ("u", "b", 0), ("u", "a", 2000), ("u", "b", 2000)], replace(PLAIN, max_gap_s=1.0))
    assert found(index, "a")[0][1] == pytest.approx(1.0, rel=1e-3)
    assert counts(index) == pytest.approx({"a": 2.0, "b": 2.0}, rel=1e-3)


def test_late_event_weighs_what_its_time_says() -> None:
    index = fed([("u", "a", HOUR_MS), ("u", "b", HOUR_MS), ("v", "a", 0), ("v", "c", 0)])
    assert found(index, "a") == close(("b", 1 / 1.5), ("c", 0.5 / 1.5))


def test_half_lives_without_number_neither_overflow_nor_wipe_the_present() -> None:
    index = fed([("u", "a", NOW_MS), ("u", "b", NOW_MS)])
    for hour in range(1, 3000):
        at_ms = NOW_MS + hour * HOUR_MS
        index.observe([f"v{hour}"] * 2, ["c", "d"], [at_ms, at_ms])
    # 1 + 1/2 + 1/4 + … pairs of as many occurrences
    assert found(index, "c") == close(("d", 1.0))
    assert counts(index)["c"] * index.decay.to_now() == pytest.approx(2.0)
    assert all(score < 1e-30 for _, score in found(index, "a"))


def test_history_adds_up_with_its_newest_items_weighing_most_and_without_its_own() -> None:
    actions = [("u", "a", 0), ("u", "x", 0), ("v", "b", 0), ("v", "y", 0), ("w", "a", 0), ("w", "b", 0)]
    index = fed(actions, replace(PLAIN, source_decay=0.5))
    # Of two takers each of a and b one took x and y; b is the newer.
    assert found(index, "a", "b") == [("y", 0.5), ("x", 0.25)]
    assert found(index, "b", "a") == [("x", 0.5), ("y", 0.25)]
    assert found(index) == found(index, "nowhere") == []


def test_several_histories_at_once_are_answered_as_one_at_a_time() -> None:
    rng = np.random.default_rng(5)
    actions = [(f"u{rng.integers(20)}", f"i{rng.integers(30)}", int(rng.integers(10 * HOUR_MS))) for _ in range(600)]
    index = fed(actions)
    histories = [[f"i{each}" for each in rng.integers(35, size=size)] for size in (0, 1, 5, 30, 2)]
    together = index.find(histories, 7)
    ids = index.ids(together.rows)
    for place, history in enumerate(histories):
        first, end = together.offsets[place : place + 2]
        assert ids[first:end] == [item for item, _ in found(index, *history, num_items=7)]
        assert not set(ids[first:end]) & set(history)
    many = index.find(histories * 120, 7)
    assert index.ids(many.rows) == ids * 120 and many.offsets.size == 601
    np.testing.assert_array_equal(np.diff(many.offsets), np.tile(np.diff(together.offsets), 120))
    assert index.find(histories, 0).rows.size == 0 and index.find([], 5).offsets.tolist() == [0]


def test_one_history_is_answered_as_among_several() -> None:
    actions = [(f"u{number % 7}", f"i{number * number % 23}", number * 60_000) for number in range(400)]
    index = fed(actions, ItemToItemSettings(max_sources=4, popularity_power=0.3))
    index.forget("i4")
    for history in ([f"i{number}" for number in range(9)], ["i1", "i2", "i1"], ["i4"], ["unknown"], []):
        whole = index.find([history], 100)
        rows, scores = index.best(history, np.arange(index.num_rows, dtype=np.int32), None, 100)
        assert (-scores).argsort(kind="stable").tolist() == list(range(scores.size))
        assert dict(zip(rows.tolist(), scores.tolist(), strict=True)) == pytest.approx(
            dict(zip(whole.rows.tolist(), whole.scores.tolist(), strict=True)), rel=1e-5
        )


def test_best_go_by_their_names_and_only_those_allowed() -> None:
    index = fed([(f"u{number % 7}", f"i{number * number % 23}", number * 60_000) for number in range(400)])
    plain = np.arange(index.num_rows, dtype=np.int32)
    rows, scores = index.best(["i1", "i2"], plain, None, 100)
    # named from the end, so that of equals the later row comes first; the first row may not be told
    names = (2 * index.num_rows - plain).astype(np.int32)
    names[0] = -1
    allowed = np.zeros(2 * index.num_rows + 1, np.bool_)
    allowed[names[rows[1::2]]] = True
    kept = [row for row in rows[1::2].tolist() if row]
    order = sorted(range(len(kept)), key=lambda place: (-scores[rows == kept[place]][0], -kept[place]))
    found, _ = index.best(["i1", "i2"], names, allowed, 100)
    assert found.tolist() == [int(names[kept[place]]) for place in order]
    assert index.best(["i1", "i2"], names, allowed, 2)[0].tolist() == found[:2].tolist()
    # what is called by a number beyond those allowed is not
    assert not index.best(["i1", "i2"], names, allowed[:1], 100)[0].size


def test_neighbours_are_those_of_the_construction_though_one_item_is_everywhere() -> None:
    """Ten groups of six items. A user acts on four items of one group and on `hit`, which belongs to none."""
    rng = np.random.default_rng(3)
    actions = []
    for user in range(600):
        group = int(rng.integers(10))
        chosen = [f"g{group}-{item}" for item in rng.choice(6, 4, replace=False)]
        actions += [(f"u{user}", item, user * 1000) for item in [*chosen, "hit"]]
    by_share = fed(actions, replace(PLAIN, shrinkage=2.0))
    by_cosine = fed(actions, replace(PLAIN, shrinkage=2.0, popularity_power=0.5))
    for group in range(10):
        for item in range(6):
            own = {f"g{group}-{other}" for other in range(6) if other != item}
            assert {each for each, _ in found(by_cosine, f"g{group}-{item}", num_items=5)} == own
            # Everybody takes the hit, so by shares alone it comes first of everything.
            assert found(by_share, f"g{group}-{item}", num_items=1)[0][0] == "hit"


def test_deleted_item_is_found_no_more_and_is_new_when_it_comes_back() -> None:
    actions = [("u", "a", 0), ("u", "b", 0), ("u", "c", 0)]
    index = fed(actions)
    index.forget("b")
    index.forget("never seen")
    assert [item for item, _ in found(index, "a")] == ["c"] and found(index, "b") == []
    feed(index, [("v", "b", 0), ("v", "c", 0)])
    assert [item for item, _ in found(index, "b")] == ["c"]
    assert [item for item, _ in found(index, "a")] == ["c"]


def test_one_item_too_many_costs_the_rarer_half() -> None:
    small = replace(PLAIN, max_items=4)
    often = [(f"u{number}", item, 0) for number in range(5) for item in "ab"]
    index = fed([*often, ("x", "c", 0), ("x", "d", 0), ("x", "e", 0), ("x", "a", 0)], small)
    assert len(index) == 3
    assert found(index, "c") == found(index, "d") == []
    # What remains of x's session is e and a; ties between equals are by age.
    assert [item for item, _ in found(index, "a")] == ["b", "e"]


def test_least_recent_context_makes_room() -> None:
    small = replace(PLAIN, max_contexts=2)
    index = fed([("u", "a", 0), ("v", "b", 0), ("u", "c", 0), ("w", "d", 0), ("v", "e", 0), ("w", "f", 0)], small)
    # v was forgotten for w, so that b and e never met; then u for v.
    assert found(index, "e") == [] and found(index, "b") == []
    assert found(index, "a") == [("c", 1.0)] and found(index, "d") == [("f", 1.0)]


@pytest.mark.parametrize(
    "wrong",
    [{"half_life_s": 0}, {"window_items": 0}, {"max_gap_s": 0}, {"num_neighbours": 0}, {"max_items": 1},
     {"max_contexts": 0}, {"popularity_power": 1.1}, {"shrinkage": -1}, {"source_decay": 0}, {"max_sources": 0}],
)  # fmt: skip
def test_settings_out_of_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ItemToItem(ItemToItemSettings(**wrong))


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="2 contexts, 1 item_ids, 1 times_ms"):
        ItemToItem().observe(["u", "v"], ["a"], [0])


class Oracle:
    """One action at a time, every pair kept, every weight as of time 0."""

    def __init__(self, made: ItemToItemSettings) -> None:
        self.made = made
        self.windows: OrderedDict[str, list[tuple[str, int]]] = OrderedDict()
        self.counts: dict[str, float] = defaultdict(float)
        self.pairs: dict[tuple[str, str], float] = defaultdict(float)

    def observe(self, context: str, item: str, time_ms: int) -> None:
        made, weight = self.made, 2.0 ** (time_ms / 1000.0 / self.made.half_life_s)
        if context not in self.windows and len(self.windows) == made.max_contexts:
            self.windows.popitem(last=False)
        window = self.windows.setdefault(context, [])
        self.windows.move_to_end(context)
        near = [other for other, at_ms in window if abs(at_ms - time_ms) <= made.max_gap_s * 1000]
        if item not in near:
            self.counts[item] += weight
            for other in near:
                self.pairs[item, other] += weight
                self.pairs[other, item] += weight
        window[:] = [*(each for each in window if each[0] != item), (item, time_ms)][-made.window_items :]


actions_of = st.lists(
    st.tuples(
        st.sampled_from("uvwxyz"), st.sampled_from("abcdefghijk"), st.integers(0, 200).map(lambda t: t * 600_000)
    ),
    max_size=120,
)
sizes_of = st.lists(st.integers(0, 40), max_size=8)
settings_of = st.builds(
    ItemToItemSettings,
    half_life_s=st.sampled_from([1800.0, 3600.0]),
    window_items=st.integers(1, 4),
    max_gap_s=st.sampled_from([600.0, 7200.0, 1e9]),
    num_neighbours=st.just(20),
    max_contexts=st.integers(1, 6),
    popularity_power=st.sampled_from([0.0, 0.5, 1.0]),
    shrinkage=st.sampled_from([0.0, 3.0]),
)


@settings(deadline=None, max_examples=60)
@given(actions_of, settings_of, sizes_of)
def test_scores_are_those_of_counting_one_action_at_a_time(
    actions: list[Action], made: ItemToItemSettings, sizes: list[int]
) -> None:
    index, oracle = fed(actions, made, sizes), Oracle(made)
    for action in actions:
        oracle.observe(*action)
    now = 2.0 ** (max((at_ms for _, _, at_ms in actions), default=0) / 1000.0 / made.half_life_s)
    shrunk = {item: count / now + made.shrinkage for item, count in oracle.counts.items()}
    power = made.popularity_power
    for item in "abcdefghijk":
        expected = {
            other: pair / now / (shrunk[item] ** (1 - power) * shrunk[other] ** power)
            for (source, other), pair in oracle.pairs.items()
            if source == item
        }
        answer = found(index, item)
        assert [score for _, score in answer] == sorted((score for _, score in answer), reverse=True)
        assert dict(answer) == pytest.approx(expected, rel=1e-4)


@settings(deadline=None, max_examples=60)
@given(actions_of, sizes_of, st.integers(1, 3), st.sampled_from([4, 7, 50]), st.integers(0, 120))
def test_what_is_known_depends_neither_on_calls_nor_on_restarts(
    actions: list[Action], sizes: list[int], num_neighbours: int, max_items: int, restart_at: int
) -> None:
    made = ItemToItemSettings(num_neighbours=num_neighbours, max_items=max_items, max_contexts=3, window_items=4)
    whole = fed(actions, made)
    first = fed(actions[:restart_at], made, sizes)
    second = ItemToItem.from_arrow(first.to_arrow())
    feed(second, actions[restart_at:], sizes)
    assert state_of(second) == state_of(whole)
    assert found(second, "a", "b") == found(whole, "a", "b")


def test_copy_stays_as_it_was_and_goes_on_as_the_original() -> None:
    rng = np.random.default_rng(6)
    actions = [(f"u{rng.integers(9)}", f"i{rng.integers(20)}", number * 60_000) for number in range(400)]
    made = ItemToItemSettings(num_neighbours=3, max_items=15, max_contexts=5)
    index = fed(actions[:200], made)
    copy, before = index.copied(), state_of(index)
    feed(index, actions[200:])
    assert state_of(copy) == before != state_of(index)
    feed(copy, actions[200:])
    assert state_of(copy) == state_of(index)


def test_memory_stays_within_its_bounds_when_ids_never_come_twice() -> None:
    made = ItemToItemSettings(num_neighbours=4, max_items=100, max_contexts=50)
    index = ItemToItem(made)
    for start in range(0, 5000, 250):
        numbers = range(start, start + 250)
        index.observe([f"u{number // 5}" for number in numbers], [f"i{number}" for number in numbers], [NOW_MS] * 250)
    assert len(index) <= 100 and len(index.windows) <= 50
    assert index.table.num_rows <= 200 and index.table.width == 8
