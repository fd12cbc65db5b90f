"""Charts as they stand on the page before, or without, a script: a few points of each line, drawn on the server."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

from webapp.core.pictures.lines import Lines, lines
from webapp.training.curves import Point
from webapp.training.run_charts import Chart, Group, Line

NUM_SKETCHED: Final = 40


@dataclass(frozen=True, slots=True)
class Sketch:
    """`picture` is None while there is nothing to draw; a hidden one is another task's."""

    chart: Chart
    picture: Lines | None
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class SketchedGroup:
    title: str
    sketches: list[Sketch]


def sketched(groups: Sequence[Group], points: Sequence[Point], hidden: Set[str] = frozenset()) -> list[SketchedGroup]:
    """`hidden` names the tasks whose charts wait until they are chosen."""
    return [
        SketchedGroup(
            group.title, [Sketch(chart, sketch(chart, points), chart.task in hidden) for chart in group.charts]
        )
        for group in groups
    ]


def sketch(chart: Chart, points: Sequence[Point]) -> Lines | None:
    at_ms = [int(point.at.timestamp() * 1000) for point in points]
    series = {line.label: _values(line, points, at_ms) for line in chart.lines}
    if not any(value is not None for values in series.values() for value in values):
        return None
    return lines(series, at_ms, unit=chart.unit or chart.form, title=chart.title, from_zero=chart.from_zero)


def _values(line: Line, points: Sequence[Point], at_ms: Sequence[int]) -> list[float | None]:
    values = [_number(point.values.get(line.key)) for point in points]
    if not line.rate:
        return values
    rates: list[float | None] = []
    before: int | None = None
    for place, value in enumerate(values):
        rate = None
        if value is not None:
            if before is not None:
                grown, seconds = value - (values[before] or 0.0), (at_ms[place] - at_ms[before]) / 1000
                rate = grown / seconds if seconds > 0 and grown >= 0 else None
            before = place
        rates.append(rate)
    return rates


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
