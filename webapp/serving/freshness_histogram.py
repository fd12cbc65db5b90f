"""How long events took to reach the parameters that answer, sorted into bins around the objective."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

OBJECTIVE_S = 5.0
EDGES_S = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, OBJECTIVE_S, 7.5, 10.0, 15.0, 30.0, 60.0, 300.0)
HEIGHT, TOP, BOTTOM = 172.0, 22.0, 148.0
FULL = 100.0


@dataclass(frozen=True, slots=True)
class HistogramBar:
    """`x` and `width` in per cent of the picture, `y` and `height` in px; `text` is `number` as it fits above the bar."""

    label: str
    number: int
    text: str
    share: float
    x: float
    width: float
    y: float
    height: float
    is_late: bool


@dataclass(frozen=True, slots=True)
class Histogram:
    """`limit_x`: where the objective lies, in per cent, and `edges` where each bin begins, with its seconds. `within`: the share that
    met the objective; None where nothing was measured.
    """

    bars: tuple[HistogramBar, ...]
    num_measured: int
    num_given_up: int
    within: float | None
    limit_x: float
    edges: tuple[tuple[float, str], ...] = ()
    objective_s: float = OBJECTIVE_S
    height: float = HEIGHT
    bottom: float = BOTTOM


def histogram(values_s: Mapping[float, int], num_given_up: int = 0) -> Histogram:
    """Of how many events took how many seconds. A value lies in the bin whose upper edge it does not exceed; the last has none."""
    counts = [0] * len(EDGES_S)
    for value, times in values_s.items():
        counts[max(0, bisect_left(EDGES_S, value) - 1)] += times
    num_measured, most, each = sum(counts), max([*counts, 1]), FULL / len(counts)
    bars = tuple(
        HistogramBar(
            label=_label(number),
            number=count,
            text=_short(count),
            share=count / max(1, num_measured),
            x=round(number * each + each * 0.08, 2),
            width=round(each * 0.84, 2),
            y=round(BOTTOM - (BOTTOM - TOP) * count / most, 1),
            height=round((BOTTOM - TOP) * count / most, 1),
            is_late=EDGES_S[number] >= OBJECTIVE_S,
        )
        for number, count in enumerate(counts)
    )
    num_within = sum(bar.number for bar in bars if not bar.is_late)
    num_all = num_measured + num_given_up
    within = num_within / num_all if num_all else None
    edges = tuple((round(number * each, 2), f"{edge:g}") for number, edge in enumerate(EDGES_S))
    return Histogram(bars, num_measured, num_given_up, within, edges[EDGES_S.index(OBJECTIVE_S)][0], edges)


def _label(number: int) -> str:
    edge = f"{EDGES_S[number]:g}"
    return f"{edge}–{EDGES_S[number + 1]:g}" if number + 1 < len(EDGES_S) else f"> {edge}"


def _short(number: int) -> str:
    """At most four characters up to ten thousand million: `999`, `4.9k`, `141k`, `1.2M`."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        # from where it would be rounded up to the next unit
        if number >= size * 0.9995:
            return f"{number / size:.1f}{unit}" if number < 9.95 * size else f"{number / size:.0f}{unit}"
    return str(number)
