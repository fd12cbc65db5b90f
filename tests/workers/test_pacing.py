from __future__ import annotations

from workers.pacing import Pace


def test_pace_in_a_fast_loop_is_due_once_an_interval() -> None:
    now = 0.0
    pace = Pace(1.0, clock=lambda: now)
    due_at = []
    for tick in range(31):
        now = tick / 10
        if pace.is_due():
            due_at.append(now)
    assert due_at == [0.0, 1.0, 2.0, 3.0]


def test_pace_after_a_long_wait_does_not_catch_up() -> None:
    now = 0.0
    pace = Pace(1.0, clock=lambda: now)
    assert pace.is_due()
    now = 10.0
    assert [pace.is_due(), pace.is_due()] == [True, False]
