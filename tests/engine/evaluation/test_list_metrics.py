"""Each metric of ranked lists against sorting the list."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.evaluation.coverage import NO_ITEM, coverage, top_of
from engine.evaluation.hit_rate import MISSED, hit_rate, ranks_of
from engine.evaluation.ndcg import ndcg

SCORES = hnp.arrays(np.float64, (3, 6), elements=st.sampled_from([-np.inf, -1.0, 0.0, 0.5, np.nan]))
RANKS = st.lists(st.integers(MISSED, 15), min_size=1, max_size=30)


def shown(scores: np.ndarray) -> list[int]:
    columns = [column for column in range(len(scores)) if scores[column] > -np.inf]
    return sorted(columns, key=lambda column: (-scores[column], column))


@given(SCORES, st.lists(st.integers(-1, 5), min_size=3, max_size=3))
def test_rank_equals_sorting_the_list(scores: np.ndarray, targets: list[int]) -> None:
    ranks = ranks_of(scores, np.array(targets))
    for row, target in enumerate(targets):
        order = shown(scores[row])
        assert ranks[row] == (order.index(target) if target in order else MISSED)


def test_no_candidates_no_ranks() -> None:
    assert ranks_of(np.zeros((2, 0)), np.array([-1, -1])).tolist() == [MISSED, MISSED]


@given(RANKS)
def test_hit_rate_and_ndcg_equal_their_sums(ranks: list[int]) -> None:
    hits = [rank for rank in ranks if 0 <= rank < 10]
    assert hit_rate(np.array(ranks, np.int32)) == pytest.approx(len(hits) / len(ranks))
    gains = sum(1 / math.log2(rank + 2) for rank in hits)
    assert ndcg(np.array(ranks, np.int32)) == pytest.approx(gains / len(ranks))


@given(SCORES, st.integers(1, 8))
def test_top_holds_the_highest(scores: np.ndarray, length: int) -> None:
    scores = np.nan_to_num(scores, nan=-np.inf)
    for row, items in enumerate(top_of(scores, length)):
        kept = [item for item in items if item != NO_ITEM]
        expected = shown(scores[row])[:length]
        assert len(items) == length and len(set(kept)) == len(kept) == len(expected)
        assert sorted(scores[row][kept]) == sorted(scores[row][expected])


def test_coverage_counts_each_item_once() -> None:
    lists = np.array([[0, 1, NO_ITEM], [1, 2, 5]], np.int32)
    assert coverage(lists, 8) == 0.5
    assert coverage(lists[:0], 8) is None
    assert top_of(np.zeros((2, 0))).tolist() == [[NO_ITEM] * 10] * 2
