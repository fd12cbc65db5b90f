"""A contestant that answers wrongly is found out before anything is timed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.contestants import Contestant, Freshet, KnownRows
from tests.bench.engine_peer import check_lookup, check_step, grow
from tests.bench.engine_reference import DIM, Fids, Floats, Rows


class NumPyKeys:
    """Keys and vectors by plain arithmetic, so that no library need be built."""

    def __init__(self, num_rows: int) -> None:
        self.num_rows = num_rows
        self._random = np.random.default_rng(0)

    def draw(self, num: int, *, is_zipf: bool) -> Rows:
        assert not is_zipf
        return self._random.integers(self.num_rows, size=num, dtype=np.uint32)

    def fids(self, rows: Rows) -> Fids:
        return (rows.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)

    def vectors(self, fids: Fids) -> Floats:
        shifted = np.right_shift(fids[:, None], np.arange(DIM, dtype=np.uint64)) % np.uint64(255)
        return (shifted.astype(np.float32) - np.float32(127)) / np.float32(1024)


def grown(contestant: Contestant, keys: NumPyKeys) -> Contestant:
    grow(contestant, keys)
    return contestant


@pytest.mark.parametrize("make", [Freshet, KnownRows])
def test_a_table_that_is_right_passes_both_checks(make: type[Freshet | KnownRows]) -> None:
    keys = NumPyKeys(70_000)
    contestant = grown(make(keys.num_rows), keys)
    check_lookup(contestant, keys)
    contestant.start_learning()
    check_step(contestant, keys)


def test_growing_counts_every_batch_of_65536() -> None:
    keys = NumPyKeys(70_000)
    figures = grow(KnownRows(keys.num_rows), keys)
    assert figures["cold_growth_batch_max_ms"] >= figures["cold_growth_batch_p50_ms"] > 0


def test_a_table_that_answers_other_rows_fails_the_check_of_lookups() -> None:
    class Shifted(KnownRows):
        def lookup(self, fids: Fids, rows: Rows) -> Floats:
            return super().lookup(fids, np.minimum(rows + np.uint32(1), np.uint32(69_999)))

    keys = NumPyKeys(70_000)
    with pytest.raises(AssertionError, match="other rows"):
        check_lookup(grown(Shifted(keys.num_rows), keys), keys)


def test_a_table_that_forgets_to_sum_repeats_fails_the_check_of_a_step() -> None:
    class Forgetful(KnownRows):
        def learn(self, fids: Fids, rows: Rows, grads: Floats) -> None:
            self._accumulators[rows] += grads * grads
            self._vectors[rows] -= 0.05 * grads / np.sqrt(self._accumulators[rows])

    keys = NumPyKeys(70_000)
    contestant = grown(Forgetful(keys.num_rows), keys)
    contestant.start_learning()
    with pytest.raises(AssertionError, match="Adagrad"):
        check_step(contestant, keys)
