"""What the benchmarks compute from what they saw."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench import criteo_like
from tests.bench.criteo_like import Ids
from tests.bench.loops import closed_loop, open_loop
from tests.bench.measuring import interleaved, median_share, percentile_ms


def test_slices_take_turns() -> None:
    seen: list[str] = []

    def noting(name: str) -> int:
        seen.append(name)
        return 7

    rates = interleaved({"a": lambda: noting("a"), "b": lambda: noting("b")}, 3)
    assert seen == ["a", "b"] * 3
    assert [len(of_one) for of_one in rates.values()] == [3, 3]


def test_a_share_pairs_rates_of_the_same_round() -> None:
    assert median_share([1.0, 20.0, 3.0], [2.0, 10.0, 3.0]) == 1.0


@pytest.mark.parametrize(("share", "expected_ms"), [(0.5, 2_000.0), (0.75, 3_000.0), (0.99, 4_000.0)])
def test_a_percentile_is_one_of_the_latencies(share: float, expected_ms: float) -> None:
    assert percentile_ms([4.0, 1.0, 3.0, 2.0], share) == expected_ms


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def pass_by(self, time_s: float) -> None:
        self.now_s += time_s


def test_an_open_loop_counts_the_wait_of_requests_that_a_slow_one_held_up() -> None:
    clock, takes_s = FakeClock(), iter([0.25, 0.0, 0.0, 0.0])
    loop = open_loop([lambda: clock.pass_by(next(takes_s))], 10.0, 0.4, clock=clock, sleep=clock.pass_by)
    assert loop.latencies_s == pytest.approx([0.25, 0.15, 0.05, 0.0])


def test_a_closed_loop_asks_again_until_its_time_is_over() -> None:
    clock = FakeClock()
    loop = closed_loop([lambda: clock.pass_by(0.25)], 1.0, clock=clock)
    assert loop.latencies_s == [0.25] * 4
    assert loop.requests_per_s == 4.0


@pytest.mark.parametrize("kind", Ids)
def test_a_stream_has_ten_million_ids_and_every_column_stays_within_its_own(kind: Ids) -> None:
    counts = criteo_like.cardinalities(kind)
    assert counts.sum() == 10_000_000
    batch = criteo_like.draw(kind, 5_000, np.random.default_rng(0))
    assert batch.ids.shape == (5_000, criteo_like.NUM_SLOTS)
    assert (batch.ids >= 0).all() and (batch.ids < counts).all()
    assert 0.1 < batch.labels.mean() < 0.5


def test_zipf_ids_repeat_the_first_and_uniform_ones_do_not() -> None:
    zipf, uniform = (criteo_like.draw(kind, 5_000, np.random.default_rng(0)).ids[:, 2] for kind in Ids)
    assert np.bincount(zipf).argmax() == 0
    assert np.bincount(uniform).max() < 5


def test_the_same_seed_is_the_same_stream() -> None:
    first, again, other = (
        criteo_like.checksum([next(criteo_like.stream(Ids.ZIPF, 64, seed))]) for seed in (17, 17, 18)
    )
    assert first == again != other
