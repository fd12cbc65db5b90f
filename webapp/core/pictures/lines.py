"""Lines: a sparkline beside a number, and a small chart with axes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from webapp.core.pictures.bars import lying, standing
from webapp.core.pictures.picture import Name, Picture, Table, Tick, colour, upward
from webapp.core.pictures.scales import amount_text, moment_text, round_ticks

SPARK_HEIGHT, SPARK_EDGE = 28.0, 2.0
PLOT_TOP, PLOT_BOTTOM, HEIGHT = 8.0, 148.0, 172
WIDTH = 1000.0
"""Lines are drawn this wide and stretched to the room there is; strokes stay as they are."""


@dataclass(frozen=True)
class Line:
    """`pieces` are lists of points for SVG; a value that is None parts two pieces. A piece of one point is a dot."""

    number: int
    pieces: list[str]


@dataclass(frozen=True)
class Hover:
    x: float
    width: float
    words: str


@dataclass(frozen=True)
class Sparkline(Picture):
    template: ClassVar[str] = "partials/pictures/sparkline.html"
    pieces: list[str]
    areas: list[str]
    limit: float | None
    """Where the objective lies in px from the top; None: there is none, or it is above all that is drawn."""
    height: float = SPARK_HEIGHT


@dataclass(frozen=True)
class Lines(Picture):
    template: ClassVar[str] = "partials/pictures/lines.html"
    lines: list[Line]
    hovers: list[Hover]
    names: list[Name]
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    table: Table
    height: int = HEIGHT
    top: float = PLOT_TOP
    bottom: float = PLOT_BOTTOM


def sparkline(values: Sequence[float | None], *, unit: str, title: str, limit: float | None = None) -> Sparkline:
    """A line of `values` at equal distances, from zero at the bottom; `limit` is an objective to be drawn across it."""
    known = [value for value in values if value is not None]
    high = max(known, default=0.0) or 1.0
    step = WIDTH / max(1, len(values) - 1)
    placed = [
        None
        if value is None
        else (round(place * step, 1), upward(value, top=SPARK_EDGE, bottom=SPARK_HEIGHT, low=0.0, high=high))
        for place, value in enumerate(values)
    ]
    runs = _runs(placed)
    return Sparkline(
        title=title,
        summary=_told(known, unit),
        unit=unit,
        pieces=[_points(run) for run in runs],
        areas=[_points([(run[0][0], SPARK_HEIGHT), *run, (run[-1][0], SPARK_HEIGHT)]) for run in runs],
        limit=upward(limit, top=SPARK_EDGE, bottom=SPARK_HEIGHT, low=0.0, high=high)
        if limit is not None and limit <= high
        else None,
    )


def lines(
    series: Mapping[str, Sequence[float | None]],
    at_ms: Sequence[int],
    *,
    unit: str,
    title: str,
    from_zero: bool = True,
) -> Lines:
    """One line for each series over `at_ms`, ascending ms since the epoch; None where nothing was measured.

    The axis begins at zero unless told. Raises `ValueError` when a series is not as long as `at_ms`.
    """
    if any(len(values) != len(at_ms) for values in series.values()):
        raise ValueError("every series needs one value for each moment")
    known = [value for values in series.values() for value in values if value is not None]
    ticks = round_ticks(min([0.0, *known]) if from_zero else min(known, default=0.0), max(known, default=0.0))
    first_ms, last_ms = (at_ms[0], at_ms[-1]) if at_ms else (0, 0)
    span = max(1, last_ms - first_ms)

    def drawn(values: Sequence[float | None]) -> list[str]:
        placed = [
            None
            if value is None
            else (
                round(WIDTH * (at - first_ms) / span, 1),
                upward(value, top=PLOT_TOP, bottom=PLOT_BOTTOM, low=ticks[0], high=ticks[-1]),
            )
            for at, value in zip(at_ms, values, strict=True)
        ]
        return [_points(run) for run in _runs(placed)]

    return Lines(
        title=title,
        summary=" ".join(
            f"{name}: {_told([one for one in values if one is not None], unit)}" for name, values in series.items()
        ),
        unit=unit,
        lines=[Line(colour(number), drawn(values)) for number, values in enumerate(series.values())],
        hovers=_hovers(series, at_ms, unit),
        names=[
            Name(colour(number), name, amount_text(next((one for one in reversed(values) if one is not None), None)))
            for number, (name, values) in enumerate(series.items())
        ],
        y_ticks=standing(ticks, PLOT_TOP, PLOT_BOTTOM),
        x_ticks=lying(first_ms, last_ms) if len(at_ms) > 1 else [],
        table=Table(
            ["Time (UTC)", *series],
            [
                [moment_text(at), *(amount_text(values[place]) for values in series.values())]
                for place, at in enumerate(at_ms)
            ],
        ),
    )


def _hovers(series: Mapping[str, Sequence[float | None]], at_ms: Sequence[int], unit: str) -> list[Hover]:
    """Around each moment half the way to its neighbours, in per cent, with what was measured then."""
    if len(at_ms) < 2:
        return []
    span = at_ms[-1] - at_ms[0] or 1
    edges = [at_ms[0], *((one + two) / 2 for one, two in itertools.pairwise(at_ms)), at_ms[-1]]
    hovers = []
    for place, at in enumerate(at_ms):
        told = ", ".join(f"{name} {amount_text(values[place])}" for name, values in series.items())
        left, right = (100 * (edge - at_ms[0]) / span for edge in edges[place : place + 2])
        hovers.append(Hover(round(left, 3), round(right - left, 3), f"{moment_text(at)}: {told} {unit}"))
    return hovers


def _runs(placed: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = []
    joined = False
    for point in placed:
        if point is not None:
            if joined:
                runs[-1].append(point)
            else:
                runs.append([point])
        joined = point is not None
    return runs


def _points(run: Sequence[tuple[float, float]]) -> str:
    # a line of one point is not drawn at all: it is given a length of its own
    run = run if len(run) > 1 else [run[0], (run[0][0] + 1, run[0][1])]
    return " ".join(f"{x:g},{y:g}" for x, y in run)


def _told(known: Sequence[float], unit: str) -> str:
    if not known:
        return "Nothing was measured."
    low, high, last = (amount_text(value) for value in (min(known), max(known), known[-1]))
    return f"From {low} to {high} {unit}, last {last}."
