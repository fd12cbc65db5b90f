"""Axes: ticks at round numbers and round times, and how a tick is written."""

from __future__ import annotations

import math
from datetime import UTC, datetime

ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1000, 60_000, 3_600_000, 86_400_000
TIME_STEPS_MS = (
    *(SECOND_MS * n for n in (1, 2, 5, 10, 15, 30)),
    *(MINUTE_MS * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR_MS * n for n in (1, 2, 3, 6, 12)),
    *(DAY_MS * n for n in (1, 2, 7, 14, 28, 91, 182, 364)),
)


def round_ticks(low: float, high: float, *, num: int = 4, whole: bool = False) -> list[float]:
    """Ticks around `low` to `high`, at multiples of 1, 2, 2.5 or 5 times a power of ten, about `num` steps of them.

    The first is not above `low` and the last not below `high`. `whole`: for counts, steps of at least 1.
    """
    span = high - low
    if span <= 0:
        span = abs(high) or 1.0
        high = low + span
    rough = span / num
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in ROUND if power * size >= rough * (1 - 1e-9))
    if whole:
        step = max(1.0, float(math.ceil(step)))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def time_ticks(first_ms: int, last_ms: int, *, num: int = 5) -> list[int]:
    """Times of the UTC clock that are round, at most `num` and from `first_ms` to `last_ms`, both ms since the epoch."""
    span = max(1, last_ms - first_ms)
    step = next((step for step in TIME_STEPS_MS if span // step < num), TIME_STEPS_MS[-1])
    start = -(-first_ms // step) * step
    return list(range(start, last_ms + 1, step))


def time_text(at_ms: int, *, step_ms: int) -> str:
    """A tick as `17:30`, `17:30:05` between minutes, `21 Nov` where a day begins or steps are days. UTC."""
    at = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    if step_ms >= DAY_MS or at_ms % DAY_MS == 0:
        return f"{at.day} {at:%b}"
    return f"{at:%H:%M:%S}" if step_ms < MINUTE_MS else f"{at:%H:%M}"


def moment_text(at_ms: int) -> str:
    """A moment whole: `21 Nov 17:30:05 UTC`."""
    at = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    return f"{at.day} {at:%b %H:%M:%S} UTC"


def amount_text(value: float | None) -> str:
    """Four significant digits at most: `0.42`, `1,500`, `15k`, `2.5M`; `–` for None."""
    if value is None:
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.4g}{letter}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
