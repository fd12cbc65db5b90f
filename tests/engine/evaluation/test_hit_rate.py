from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.evaluation.hit_rate import HitRates, hits_in_top

SCORES = hnp.arrays(np.float64, (3, 6), elements=st.sampled_from([-np.inf, -1.0, 0.0, 0.5, np.nan]))


@given(SCORES, st.lists(st.integers(-1, 5), min_size=3, max_size=3), st.integers(1, 6))
def test_hit_equals_sorting_the_list(scores: np.ndarray, targets: list[int], length: int) -> None:
    for row, (each, target) in enumerate(zip(scores, targets, strict=True)):
        shown = [column for column in range(6) if each[column] > -np.inf]
        top = sorted(shown, key=lambda column: (-each[column], column))[:length]
        assert hits_in_top(scores, np.array(targets), length)[row] == (target in top)


def test_no_candidates_no_hits() -> None:
    assert hits_in_top(np.zeros((2, 0)), np.array([-1, -1])).tolist() == [False, False]


def test_window_slides() -> None:
    rates = HitRates(window=2)
    assert rates.values() == {"hr_at_10": None, "hr_at_10_frozen": None}
    rates.note(np.array([True, True, False]), np.array([True, False, False]))
    assert rates.values() == {"hr_at_10": 0.5, "hr_at_10_frozen": 0.0}
    assert HitRates(window=2, hits=rates.as_json()).values() == rates.values()
