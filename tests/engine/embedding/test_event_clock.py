"""What expires is decided by event time that neither the future nor a stalled partition can falsify."""

from __future__ import annotations

import json
from statistics import median_low
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.embedding.event_clock import EventClock

WALL_S = 2_000_000
FAR_MS = 10**15


def clock_of(num_partitions: int, *, min_examples: int = 1, wall_s: float = WALL_S) -> EventClock:
    return EventClock(num_partitions, wall_clock=lambda: wall_s, allowed_skew_s=60, min_examples=min_examples)


def stamp(clock: EventClock, partitions: list[int], times_s: list[int]) -> list[int]:
    stamps = clock.stamps(np.array(partitions, np.int32), np.array(times_s, np.int64) * 1000)
    assert stamps.dtype == np.uint32
    return [int(seconds) for seconds in stamps]


def test_nothing_expires_before_every_partition_has_a_clock() -> None:
    clock = clock_of(2)
    assert clock.now_s == 0
    stamp(clock, [0, 0, 0], [100, 101, 102])
    assert clock.now_s == 0
    stamp(clock, [1], [50])
    assert clock.now_s == 50


def test_a_clock_is_the_greatest_median_of_its_batches() -> None:
    clock = clock_of(1)
    stamp(clock, [0] * 5, [300, 100, 500, 200, 400])
    assert clock.now_s == 300
    stamp(clock, [0] * 4, [310, 330, 340, 320])
    assert clock.now_s == 320
    stamp(clock, [0] * 3, [1, 2, 3])
    assert clock.now_s == 320


def test_one_event_dated_in_the_future_moves_nothing() -> None:
    clock = clock_of(1)
    assert stamp(clock, [0] * 3, [100, 999_999, 102]) == [100, 102, 102]
    assert clock.now_s == 102
    assert stamp(clock, [0] * 2, [999_999, 103]) == [103, 103]
    assert clock.now_s == 103


def test_a_lone_event_decides_nothing_until_its_group_is_whole() -> None:
    clock = clock_of(1, min_examples=3)
    stamp(clock, [0] * 3, [100, 101, 102])
    assert stamp(clock, [0], [999_999]) == [999_999]  # its own row lives longer, no other goes
    assert clock.now_s == 101
    assert stamp(clock, [0], [110]) == [110]
    assert clock.now_s == 101
    assert stamp(clock, [0], [111]) == [111]  # the median of 999,999, 110 and 111
    assert clock.now_s == 111
    stamp(clock, [0] * 2, [500, 500])  # a new group, still open
    assert clock.now_s == 111


def test_a_row_seen_alone_after_a_silence_is_stamped_with_its_time() -> None:
    clock = clock_of(1, min_examples=16)
    stamp(clock, [0] * 16, [100] * 16)
    assert stamp(clock, [0], [50_000]) == [50_000]
    assert clock.now_s == 100


def test_no_majority_passes_the_wall_clock() -> None:
    clock = clock_of(1, wall_s=1000)
    assert stamp(clock, [0] * 3, [5000, 5000, 5000]) == [1060, 1060, 1060]
    assert clock.now_s == 1060


def test_a_wall_clock_that_is_put_right_takes_the_event_clock_along() -> None:
    wall = [5000.0]
    clock = EventClock(1, wall_clock=lambda: wall[0], allowed_skew_s=60, min_examples=1)
    stamp(clock, [0], [4000])
    wall[0] = 1000.0
    assert clock.now_s == 1060


def test_a_stalled_partition_holds_expiry_back_until_it_is_caught_up() -> None:
    clock = clock_of(3)
    stamp(clock, [0, 1, 2], [100, 200, 300])
    assert clock.now_s == 100
    clock.report_caught_up([0])
    assert clock.now_s == 200
    stamp(clock, [2], [900])
    assert clock.now_s == 200
    clock.report_caught_up([1])
    assert clock.now_s == 900
    clock.report_caught_up([2])
    assert clock.now_s == 900


def test_a_partition_that_returns_counts_again() -> None:
    clock = clock_of(2)
    stamp(clock, [0, 1], [100, 900])
    clock.report_caught_up([0])
    assert clock.now_s == 900
    assert stamp(clock, [0], [150]) == [150]
    assert clock.now_s == 150
    clock.report_caught_up([0])
    assert stamp(clock, [0], [950]) == [950]
    assert clock.now_s == 900


def test_a_partition_caught_up_ahead_of_the_others_does_not_pull_them() -> None:
    clock = clock_of(2)
    stamp(clock, [0, 1], [100, 900])
    clock.report_caught_up([1])
    assert clock.now_s == 100


def test_added_partitions_hold_back_until_they_have_a_clock() -> None:
    clock = clock_of(1)
    stamp(clock, [0], [100])
    clock.register(2)
    clock.register(1)
    assert (clock.num_partitions, clock.now_s) == (2, 0)
    clock.report_caught_up([1])
    assert clock.now_s == 100


def test_stamps_stay_within_32_bits() -> None:
    clock = clock_of(1, wall_s=2.0**34)
    extremes = np.array([-(2**63), -1, 999, 2**62, 2**63 - 1], np.int64)
    assert clock.stamps(np.zeros(5, np.uint8), extremes).tolist() == [0, 0, 0, 0, 0]
    assert clock.stamps(np.zeros(3, np.uint8), np.full(3, 2**62)).tolist() == [2**32 - 2] * 3
    assert clock.now_s == 2**32 - 2


def test_an_empty_batch_moves_nothing() -> None:
    clock = clock_of(1)
    assert stamp(clock, [], []) == []
    assert clock.now_s == 0


@pytest.mark.parametrize(
    ("partitions", "times", "error", "message"),
    [
        (np.array([2]), np.array([1]), ValueError, "0 to 1, received 2"),
        (np.array([-1]), np.array([1]), ValueError, "received -1"),
        (np.array([0.0]), np.array([1]), TypeError, "partitions must be integers, received float64"),
        (np.array([0]), np.array([1.0]), TypeError, "event_times_ms must be int64, received float64"),
        (np.array([0, 1]), np.array([1]), ValueError, r"received shapes \(2,\) and \(1,\)"),
        (np.array([[0]]), np.array([[1]]), ValueError, "of one length"),
    ],
)
def test_bad_batches_are_refused(
    partitions: NDArray[Any], times: NDArray[Any], error: type[Exception], message: str
) -> None:
    clock = clock_of(2)
    before = clock.to_json()
    with pytest.raises(error, match=message):
        clock.stamps(partitions, times)
    assert clock.to_json() == before


@pytest.mark.parametrize(
    "setting",
    [{"num_partitions": 0}, {"allowed_skew_s": -1.0}, {"allowed_skew_s": float("nan")}, {"min_examples": 0}],
)
def test_bad_settings_are_refused(setting: dict[str, Any]) -> None:
    every: dict[str, Any] = {"num_partitions": 1, "wall_clock": lambda: 0.0} | setting
    with pytest.raises(ValueError, match=f"{next(iter(setting))} must be"):
        EventClock(**every)


def test_a_report_on_an_unknown_partition_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 0, received 5"):
        clock_of(1).report_caught_up([5])


@pytest.mark.parametrize(
    "change",
    [
        {"clocks_ms": [1.5]},
        {"clocks_ms": ["7"]},
        {"clocks_ms": [2**63]},
        {"open_partitions": [1], "open_times_ms": [5]},
        {"open_partitions": [0], "open_times_ms": []},
        {"open_partitions": [True], "open_times_ms": [5]},
    ],
)
def test_a_damaged_state_is_refused_and_changes_nothing(change: dict[str, Any]) -> None:
    clock = clock_of(1)
    stamp(clock, [0], [100])
    before = clock.to_json()
    with pytest.raises(ValueError, match="must"):
        clock.restore(before | change)
    with pytest.raises(KeyError):
        clock.restore({})
    assert clock.to_json() == before


def test_a_state_of_fewer_partitions_is_restored() -> None:
    old = clock_of(1)
    stamp(old, [0], [100])
    clock = clock_of(2)
    clock.restore(old.to_json())
    assert (clock.num_partitions, clock.now_s) == (2, 0)
    stamp(clock, [1], [300])
    assert clock.now_s == 100


NUM_PARTITIONS = 3
EXAMPLES = st.lists(st.tuples(st.integers(0, NUM_PARTITIONS - 1), st.integers(0, 500)), max_size=12)
STEPS = st.lists(st.tuples(EXAMPLES, st.integers(0, 12), st.sets(st.integers(0, NUM_PARTITIONS - 1))), max_size=12)


class Partitions:
    """What is known of the partitions besides the clock: honest events alone, and medians by the standard library."""

    def __init__(self, min_examples: int) -> None:
        self.min_examples = min_examples
        self.newest_honest_s = [0] * NUM_PARTITIONS
        self.clocks_s: list[int | None] = [None] * NUM_PARTITIONS
        self.open: list[list[int]] = [[] for _ in range(NUM_PARTITIONS)]
        self.caught_up: set[int] = set()

    def add(self, partition: int, honest_s: list[int], false_s: list[int]) -> None:
        self.caught_up.discard(partition)
        self.newest_honest_s[partition] = max(self.newest_honest_s[partition], *honest_s)
        self.open[partition] += honest_s + false_s
        if len(self.open[partition]) >= self.min_examples:
            self.clocks_s[partition] = max(self.clocks_s[partition] or 0, median_low(self.open[partition]))
            self.open[partition] = []

    def now_s(self) -> int:
        active = [self.clocks_s[one] for one in range(NUM_PARTITIONS) if one not in self.caught_up]
        if active:
            return 0 if None in active else min(clock for clock in active if clock is not None)
        return max(clock or 0 for clock in self.clocks_s)

    def bound_s(self) -> int:
        """The slowest active partition's newest honest event."""
        active = [self.newest_honest_s[one] for one in range(NUM_PARTITIONS) if one not in self.caught_up]
        return min(active) if active else max(self.newest_honest_s)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, min_examples=st.integers(1, 8), data=st.data())
def test_no_minority_from_the_future_and_no_stall_moves_expiry_past_honest_events(
    steps: list[tuple[list[tuple[int, int]], int, set[int]]], min_examples: int, data: st.DataObject
) -> None:
    clock, known = clock_of(NUM_PARTITIONS, min_examples=min_examples), Partitions(min_examples)
    for round_, (examples, num_false, caught_up) in enumerate(steps):
        batch: list[tuple[int, int, bool]] = []
        for partition in range(NUM_PARTITIONS):
            honest_s = [round_ * 100 + time for one, time in examples if one == partition]
            false_s = [FAR_MS // 1000 - i for i in range(min(num_false, max(0, len(honest_s) - 1)))]
            if honest_s:
                known.add(partition, honest_s, false_s)
            batch += [(partition, time, True) for time in honest_s] + [(partition, time, False) for time in false_s]
        batch = data.draw(st.permutations(batch))
        stamps = stamp(clock, [one for one, _, _ in batch], [time for _, time, _ in batch])
        assert all(stamped <= time for stamped, (_, time, _) in zip(stamps, batch, strict=True))
        assert all(stamped <= max(known.newest_honest_s) for stamped in stamps)
        clock.report_caught_up(caught_up)
        known.caught_up |= caught_up
        assert clock.now_s == known.now_s()
        assert clock.now_s <= known.bound_s()
        restored = clock_of(NUM_PARTITIONS, min_examples=min_examples)
        restored.restore(json.loads(json.dumps(clock.to_json())))
        restored.report_caught_up(known.caught_up)
        assert restored.now_s == clock.now_s
        clock = restored
