"""When a serving copy takes over what was published."""

from __future__ import annotations

import pytest

from engine.evaluation.replay.synced import Timetable

MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("interval_min", "expected_min"),
    [(None, [0, 60, 90]), (120, [0, 60, 90, 210, 330]), (30, list(range(0, 361, 30)))],
)
def test_a_copy_follows_while_the_model_warms_up_and_at_its_interval_from_then_on(
    interval_min: int | None, expected_min: list[int]
) -> None:
    timetable = Timetable(None if interval_min is None else interval_min * MINUTE_MS, freeze_ms=90 * MINUTE_MS)
    followed, now_ms = [], 0
    while now_ms <= 360 * MINUTE_MS:
        followed.append(now_ms // MINUTE_MS)
        now_ms = timetable.next_ms(now_ms)
    assert followed == expected_min
