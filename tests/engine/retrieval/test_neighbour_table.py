from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.retrieval.neighbour_table import NeighbourTable
from engine.retrieval.occurrence_ranks import occurrence_ranks, rounds

pairs_of = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 15), st.integers(1, 9)), max_size=200)
sizes_of = st.lists(st.integers(0, 50), max_size=8)

Pairs = list[tuple[int, int, int]]


def filled(pairs: Pairs, num_neighbours: int, sizes: list[int] | None = None) -> NeighbourTable:
    table = NeighbourTable(num_neighbours)
    table.grow(3)
    start = 0
    for size in [*(sizes or []), len(pairs)]:
        part = np.array(pairs[start : start + size], np.int64).reshape(-1, 3)
        table.add(part[:, 0], part[:, 1], part[:, 2].astype(np.float32))
        start += size
    return table


@settings(deadline=None)
@given(pairs_of, sizes_of, st.integers(1, 5))
def test_true_weights_are_within_the_bounds_and_nothing_heavy_is_missing(
    pairs: Pairs, sizes: list[int], num_neighbours: int
) -> None:
    cells = filled(pairs, num_neighbours, sizes).cells
    true: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for source, target, weight in pairs:
        true[source][target] += weight
    for source in range(3):
        used = cells.used[source]
        known = cells.targets[source, :used].tolist()
        assert len(set(known)) == used <= 2 * num_neighbours and (cells.targets[source, used:] == -1).all()
        for column, target in enumerate(known):
            weight, error = cells.weights[source, column], cells.errors[source, column]
            assert weight <= true[source][target] <= weight + error
        lost = [weight for target, weight in true[source].items() if target not in known]
        assert max(lost, default=0.0) <= cells.floors[source]


@settings(deadline=None)
@given(pairs_of, sizes_of, st.integers(1, 5))
def test_cells_do_not_depend_on_how_pairs_were_cut_into_calls(
    pairs: Pairs, sizes: list[int], num_neighbours: int
) -> None:
    whole, cut = filled(pairs, num_neighbours).cells, filled(pairs, num_neighbours, sizes).cells
    for name in ("targets", "weights", "errors", "used", "floors"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut, name), err_msg=name)


def test_full_row_keeps_its_heaviest_half_and_the_next_comes_with_the_doubt_of_what_was_lost() -> None:
    table = filled([(0, 1, 5), (0, 2, 1), (0, 3, 4), (0, 4, 2), (0, 5, 1)], 2)
    # The fifth neighbour found four cells used: 1 and 3 stayed, and what weighed 2 at most is unknown.
    assert table.cells.targets[0].tolist() == [1, 3, 5, -1]
    assert table.cells.weights[0].tolist() == [5.0, 4.0, 1.0, 0.0]
    assert table.cells.errors[0].tolist() == [0.0, 0.0, 2.0, 0.0]
    assert table.cells.floors[0] == 2.0


def test_frequent_pair_is_found_among_many_that_come_once() -> None:
    rng = np.random.default_rng(1)
    pairs = [(0, 7 if rng.random() < 0.2 else 100 + number, 1) for number in range(5_000)]
    cells = filled(pairs, 10).cells
    best = cells.targets[0, np.argmax(cells.weights[0])]
    assert best == 7 and cells.weights[0].max() > 0.9 * sum(target == 7 for _, target, _ in pairs)


def test_renumbered_rows_leave_no_trace_of_the_forgotten() -> None:
    table = filled([(0, 1, 5), (0, 2, 3), (2, 1, 4), (2, 0, 1), (1, 0, 9)], 2)
    table.renumber(np.array([0, 2]))
    assert table.cells.targets[:2].tolist() == [[1, -1, -1, -1], [0, -1, -1, -1]]
    assert table.cells.weights[:2, :2].tolist() == [[3.0, 0.0], [1.0, 0.0]]
    assert table.cells.used.tolist() == [1, 1]


def test_rows_can_be_cleared_and_scaled() -> None:
    table = filled([(0, 1, 5), (1, 0, 4)], 2)
    table.clear_rows(np.array([0]))
    table.scale(0.5)
    assert table.cells.used[:2].tolist() == [0, 1] and table.cells.weights[1, 0] == 2.0


def test_room_for_neighbours_must_be_at_least_one() -> None:
    with pytest.raises(ValueError, match="num_neighbours"):
        NeighbourTable(0)


@given(st.lists(st.integers(0, 5), max_size=40))
def test_rounds_take_each_key_once_and_in_order(keys: list[int]) -> None:
    parts = rounds(np.array(keys, np.int64))
    assert sorted(int(place) for part in parts for place in part) == list(range(len(keys)))
    for number, part in enumerate(parts):
        for place in part.tolist():
            assert keys[:place].count(keys[place]) == number
    expected = [keys[:place].count(key) for place, key in enumerate(keys)]
    assert occurrence_ranks(np.array(keys, np.int64)).tolist() == expected
