"""When a trainer slows down and when it does not, against waits worked out by hand."""

from __future__ import annotations

import pytest

from engine.sync.back_pressure import CALM_BELOW, LONGEST_S, SLOW_FROM, STUCK_AFTER_S, BackPressure, Slowest


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def waits(pressure: BackPressure, clock: Clock, behind: list[int], *, step_s: float = 1.0) -> list[float]:
    """The wait after each of these looks, `step_s` apart, at a replica that moves and is so far behind."""
    found = []
    for number, num_behind in enumerate(behind):
        clock.now_s += step_s
        sequence = 10_000 + number
        pressure.look(sequence, {"r": sequence - num_behind})
        found.append(pressure.interval_s)
    return found


def test_replicas_that_follow_leave_the_declared_interval(clock: Clock) -> None:
    pressure = BackPressure(1.0, clock)
    assert waits(pressure, clock, [0, 3, CALM_BELOW, SLOW_FROM - 1]) == [1.0] * 4
    assert not pressure.is_slowed
    assert pressure.slowest == Slowest("r", SLOW_FROM - 1)


def test_the_wait_doubles_once_a_wait_while_one_is_far_behind_and_halves_when_it_has_caught_up(clock: Clock) -> None:
    pressure = BackPressure(1.0, clock)
    # grown at 101 s to 2 s, so next at 103 s to 4 s, next at 107 s
    assert waits(pressure, clock, [SLOW_FROM] * 7) == [2.0, 2.0, 4.0, 4.0, 4.0, 4.0, 8.0]
    assert pressure.is_slowed
    assert waits(pressure, clock, [20, 20]) == [8.0, 8.0]
    assert waits(pressure, clock, [CALM_BELOW] * 4) == [4.0, 2.0, 1.0, 1.0]


def test_the_wait_is_bounded(clock: Clock) -> None:
    assert waits(BackPressure(1.0, clock), clock, [5000] * 9, step_s=40.0)[-1] == LONGEST_S
    assert waits(BackPressure(0.1, clock), clock, [5000] * 9, step_s=40.0)[-1] == pytest.approx(3.2)
    # an interval of an hour is not made longer, nor shorter
    assert waits(BackPressure(3600.0, clock), clock, [5000] * 3, step_s=4000.0) == [3600.0] * 3


def test_the_slowest_decides_and_nobody_else(clock: Clock) -> None:
    pressure = BackPressure(1.0, clock)
    pressure.look(1000, {"a": 999, "b": 1000 - SLOW_FROM, "c": 1000})
    assert (pressure.interval_s, pressure.slowest) == (2.0, Slowest("b", SLOW_FROM))


def test_a_replica_that_died_is_not_named_any_more_and_slows_nobody(clock: Clock) -> None:
    pressure = BackPressure(1.0, clock)
    pressure.look(1000, {"a": 1000, "b": 500})
    pressure.look(1001, {"a": 1001})
    assert (pressure.interval_s, pressure.slowest) == (1.0, Slowest("a", 0))


def test_a_replica_that_does_not_move_waits_for_a_snapshot_and_slows_nobody_for_long(clock: Clock) -> None:
    pressure = BackPressure(1.0, clock)
    pressure.look(1000, {"a": 500})
    assert pressure.interval_s == 2.0
    clock.now_s += STUCK_AFTER_S
    pressure.look(1030, {"a": 500})
    assert (pressure.interval_s, pressure.slowest) == (1.0, None)
    pressure.look(1031, {"a": 501})
    assert pressure.slowest == Slowest("a", 530)


def test_a_replica_that_has_nothing_yet_slows_nobody(clock: Clock) -> None:
    pressure = BackPressure(1.0, clock)
    pressure.look(1000, {"new": 0})
    assert (pressure.interval_s, pressure.slowest) == (1.0, None)


def test_an_interval_must_be_above_0(clock: Clock) -> None:
    with pytest.raises(ValueError, match="received 0"):
        BackPressure(0, clock)


def test_another_interval_holds_from_its_declaration_on(clock: Clock) -> None:
    pressure = BackPressure(1.0, clock)
    pressure.look(1000, {"a": 500})
    pressure.declare(5.0)
    assert (pressure.interval_s, pressure.is_slowed) == (5.0, False)
    pressure.declare(5.0)
    clock.now_s += 5.0
    pressure.look(1001, {"a": 501})
    pressure.declare(5.0)
    assert pressure.interval_s == 10.0, "the same said again takes nothing back"
