"""What is written for TensorBoard is read back by TensorFlow, is bounded, and outlives a process that was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.training.event_files import MIN_SPACING_S, EventFile, read_events


class Clock:
    def __init__(self, now_s: float = 1_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def scalars(folder: Path) -> list[tuple[int, dict[str, float]]]:
    return [
        (event.step, {value.tag: value.simple_value for value in event.summary.value})
        for event in read_events(folder)
        if event.summary.value
    ]


def test_points_are_read_back_by_name_and_step(tmp_path: Path) -> None:
    clock = Clock()
    file = EventFile(tmp_path / "run-1", clock=clock)
    assert file.add({"auc": 0.75, "step_ms.dense": 2, "lost": None, "slices": {}, "odd": float("nan")}, 512)
    file.close()
    events = list(read_events(tmp_path / "run-1"))
    assert events[0].file_version == "brain.Event:2"
    assert (events[1].wall_time, events[1].step) == (1_000_000.0, 512)
    assert scalars(tmp_path / "run-1") == [(512, {"auc": 0.75, "step_ms/dense": 2.0})]


def test_points_that_come_too_soon_are_left_out(tmp_path: Path) -> None:
    clock = Clock()
    file = EventFile(tmp_path, clock=clock)
    assert file.add({"auc": 0.5}, 1)
    clock.now_s += MIN_SPACING_S / 2
    assert not file.add({"auc": 0.6}, 2)
    clock.now_s += MIN_SPACING_S / 2
    assert file.add({"auc": 0.7}, 3)
    file.close()
    assert [step for step, _ in scalars(tmp_path)] == [1, 3]


def test_a_long_run_keeps_its_beginning_and_stays_bounded(tmp_path: Path) -> None:
    clock = Clock()
    file = EventFile(tmp_path, max_points=20, clock=clock)
    for step in range(400):
        file.add({"auc": 0.5}, step)
        clock.now_s += MIN_SPACING_S
    file.close()
    steps = [step for step, _ in scalars(tmp_path)]
    assert steps[0] == 0 and steps[-1] > 350
    assert 5 < len(steps) <= 21
    assert len(list(tmp_path.iterdir())) == 1


def test_a_run_taken_up_again_goes_on_behind_what_is_whole(tmp_path: Path) -> None:
    clock = Clock()
    EventFile(tmp_path, clock=clock).add({"auc": 0.5}, 10)
    written = next(tmp_path.iterdir())
    whole = written.read_bytes()
    written.write_bytes(whole + whole[-9:])
    clock.now_s += 60
    file = EventFile(tmp_path, clock=clock)
    file.add({"auc": 0.6}, 20)
    file.close()
    steps, values = zip(*scalars(tmp_path), strict=True)
    assert steps == (10, 20)
    assert [each["auc"] for each in values] == pytest.approx([0.5, 0.6])
    assert len(list(tmp_path.iterdir())) == 1
