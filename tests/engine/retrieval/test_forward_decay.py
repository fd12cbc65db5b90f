from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieval.forward_decay import LANDMARK_STEP, ForwardDecay

HOUR_MS = 3_600_000


@given(st.lists(st.integers(0, 500 * HOUR_MS), min_size=1, max_size=40), st.sampled_from([600.0, 3600.0, 86_400.0]))
def test_sum_is_the_decayed_count_as_of_the_newest_event(times_ms: list[int], half_life_s: float) -> None:
    decay, total = ForwardDecay(half_life_s), 0.0
    for time_ms in times_ms:
        total *= decay.advance(time_ms)
        total += float(decay.weights(np.array([time_ms]))[0])
    expected = sum(0.5 ** ((max(times_ms) - time_ms) / 1000 / half_life_s) for time_ms in times_ms)
    assert total * decay.to_now() == pytest.approx(expected, rel=1e-5)


def test_landmark_moves_by_powers_of_two_and_keeps_weights_within_a_float32() -> None:
    decay = ForwardDecay(3600.0)
    assert decay.advance(1_790_000_000_000) == 1.0
    factors = [decay.advance(1_790_000_000_000 + hour * HOUR_MS) for hour in range(200)]
    moved = [factor for factor in factors if factor != 1.0]
    assert len(moved) >= 6 and set(moved) == {2.0**-LANDMARK_STEP}
    weight = float(decay.weights(np.array([decay.newest_ms]))[0])
    assert 1.0 <= weight < 2.0**LANDMARK_STEP


def test_nothing_seen_has_nothing_to_scale_and_half_lives_are_above_zero() -> None:
    assert ForwardDecay(1.0).to_now() == 1.0
    with pytest.raises(ValueError, match="half_life_s"):
        ForwardDecay(0.0)
