"""The stopwatch of a training step: what it adds up to, and what it leaves out."""

from __future__ import annotations

import pytest

from engine.training.step_times import COMPILE, PHASES, StepTimes


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_laps_are_milliseconds_of_each_phase_a_step() -> None:
    clock = Clock()
    times = StepTimes(clock)
    for _ in range(2):
        clock.now_s += 0.25
        times.lap("read")
        clock.now_s += 0.5
        times.lap("dense")
        times.count_step()
    found = times.metrics()
    assert found["step_ms.read"] == pytest.approx(250.0)
    assert found["step_ms.dense"] == pytest.approx(500.0)
    assert found["step_ms.publish"] == 0.0
    assert found["busy_share"] == 1.0
    assert found.keys() == {"busy_share", *(f"step_ms.{phase}" for phase in PHASES)}


def test_waiting_is_no_part_of_a_step() -> None:
    clock = Clock()
    times = StepTimes(clock)
    clock.now_s += 1.0
    times.lap("read")
    times.waited("read", 0.75)
    times.count_step()
    assert times.metrics()["step_ms.read"] == pytest.approx(250.0)
    assert times.metrics()["busy_share"] == pytest.approx(0.25)


def test_compiling_is_no_part_of_a_step_either() -> None:
    clock = Clock()
    times = StepTimes(clock)
    clock.now_s += 4.0
    times.lap(COMPILE)
    times.count_step()
    found = times.metrics()
    assert found["busy_share"] == 1.0 and not any(value for name, value in found.items() if name != "busy_share")


def test_without_a_step_there_is_no_split() -> None:
    clock = Clock()
    times = StepTimes(clock)
    assert times.metrics() == {}
    clock.now_s += 1.0
    times.lap("publish")
    assert times.metrics() == {"busy_share": 1.0}
    times.begin()
    assert times.metrics() == {}
