"""Ticks are round, and go around what is drawn."""

from __future__ import annotations

import pytest

from webapp.core.pictures.scales import amount_text, moment_text, round_ticks, time_text, time_ticks

NOON_MS = 1_795_176_000_000  # 20 Nov 2026 12:00:00 UTC
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 100, False, [0, 25, 50, 75, 100]),
        (0, 7, False, [0, 2, 4, 6, 8]),
        (0, 0.9, False, [0, 0.25, 0.5, 0.75, 1.0]),
        (0.61, 0.68, False, [0.6, 0.62, 0.64, 0.66, 0.68]),
        (-3, 3, False, [-4, -2, 0, 2, 4]),
        (0, 2, True, [0, 1, 2]),
        (0, 10, True, [0, 3, 6, 9, 12]),
        (0, 0, False, [0, 0.25, 0.5, 0.75, 1.0]),
    ],
)
def test_it_has_ticks_at_round_numbers(low: float, high: float, whole: bool, expected: list[float]) -> None:
    assert round_ticks(low, high, whole=whole) == expected


@pytest.mark.parametrize(
    ("span_ms", "expected"),
    [
        (3_600_000, ["12:00", "12:15", "12:30", "12:45", "13:00"]),
        (60_000, ["12:00:00", "12:00:15", "12:00:30", "12:00:45", "12:01:00"]),
        (DAY_MS, ["12:00", "18:00", "21 Nov", "06:00", "12:00"]),
        (6 * DAY_MS, ["21 Nov", "23 Nov", "25 Nov"]),
    ],
)
def test_it_has_ticks_at_round_times(span_ms: int, expected: list[str]) -> None:
    ticks = time_ticks(NOON_MS, NOON_MS + span_ms)
    assert [time_text(at, step_ms=ticks[1] - ticks[0]) for at in ticks] == expected


def test_it_writes_amounts_short_and_moments_whole() -> None:
    assert [amount_text(value) for value in (0.1234567, 12, 1500, 15_000, 2_500_000, 3e9, None)] == [
        "0.1235", "12", "1,500", "15k", "2.5M", "3G", "–",
    ]  # fmt: skip
    assert moment_text(NOON_MS + 5000) == "20 Nov 12:00:05 UTC"
