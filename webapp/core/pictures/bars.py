"""Bars: one for each of a few things, and stacked ones over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from webapp.core.pictures.picture import Name, Picture, Table, Tick, colour, upward
from webapp.core.pictures.scales import amount_text, moment_text, round_ticks, time_text, time_ticks

PLOT_TOP, PLOT_BOTTOM, HEIGHT = 8.0, 148.0, 172
FULL, GAP = 100.0, 0.12


@dataclass(frozen=True)
class Bar:
    """`value` is not negative; `href` is where the label leads."""

    label: str
    value: float
    href: str = ""


@dataclass(frozen=True)
class DrawnBar:
    label: str
    href: str
    text: str
    width: float
    """Per cent of the longest."""


@dataclass(frozen=True)
class Bars(Picture):
    """Lying bars, each a row of a table: label, bar, amount."""

    template: ClassVar[str] = "partials/pictures/bars.html"
    rows: list[DrawnBar]


@dataclass(frozen=True)
class Rect:
    """`x` and `width` in per cent of the plot, `y` and `height` in px."""

    x: float
    y: float
    width: float
    height: float
    number: int


@dataclass(frozen=True)
class Column:
    """One moment of a stacked picture: its rectangles from the bottom up, and all of it in words."""

    x: float
    width: float
    words: str
    rects: list[Rect]


@dataclass(frozen=True)
class TimeBars(Picture):
    template: ClassVar[str] = "partials/pictures/time_bars.html"
    columns: list[Column]
    names: list[Name]
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    table: Table
    height: int = HEIGHT
    top: float = PLOT_TOP
    bottom: float = PLOT_BOTTOM


def bars(values: Sequence[Bar], *, unit: str, title: str) -> Bars:
    """`values` in their order. Raises `ValueError` for a negative one."""
    longest = max((bar.value for bar in values), default=0.0)
    if any(bar.value < 0 for bar in values):
        raise ValueError("a bar has no negative length")
    rows = [
        DrawnBar(bar.label, bar.href, amount_text(bar.value), round(FULL * bar.value / longest, 2) if longest else 0.0)
        for bar in values
    ]
    return Bars(title=title, summary=_longest(values, unit), unit=unit, rows=rows)


def _longest(values: Sequence[Bar], unit: str) -> str:
    if not values:
        return "Nothing to show."
    most = max(values, key=lambda bar: bar.value)
    return f"{len(values)} in all; most: {most.label} with {amount_text(most.value)} {unit}."


def time_bars(
    series: Mapping[str, Sequence[float]], at_ms: Sequence[int], *, unit: str, title: str, bin_ms: int = 0
) -> TimeBars:
    """Series stacked in their order, the first at the bottom; one column for each of `at_ms`, its start in ms since the epoch.

    `bin_ms` is how long a column lasts; by default the step between the first two. Columns stand at equal distances. Raises
    `ValueError` when a series is not as long as `at_ms`.
    """
    if any(len(values) != len(at_ms) for values in series.values()):
        raise ValueError("every series needs one value for each moment")
    totals = [sum(values[place] for values in series.values()) for place in range(len(at_ms))]
    whole = all(float(value).is_integer() for values in series.values() for value in values)
    ticks = round_ticks(0.0, max(totals, default=0.0), whole=whole)
    lasts_ms = bin_ms or (at_ms[1] - at_ms[0] if len(at_ms) > 1 else 60_000)
    return TimeBars(
        title=title,
        summary=_busiest(totals, at_ms, unit),
        unit=unit,
        columns=[_column(series, place, at_ms, ticks[-1], unit) for place in range(len(at_ms))],
        names=[Name(colour(place), name) for place, name in enumerate(series)],
        y_ticks=standing(ticks, PLOT_TOP, PLOT_BOTTOM),
        x_ticks=lying(at_ms[0], at_ms[-1] + lasts_ms) if at_ms else [],
        table=Table(
            ["Time (UTC)", *series],
            [
                [moment_text(at), *(amount_text(values[place]) for values in series.values())]
                for place, at in enumerate(at_ms)
            ],
        ),
    )


def _column(series: Mapping[str, Sequence[float]], place: int, at_ms: Sequence[int], high: float, unit: str) -> Column:
    each = FULL / len(at_ms)
    x, width = round(each * (place + GAP / 2), 3), round(each * (1 - GAP), 3)
    rects, below = [], 0.0
    for number, values in enumerate(series.values()):
        if values[place] > 0:
            floor = upward(below, top=PLOT_TOP, bottom=PLOT_BOTTOM, low=0.0, high=high)
            below += values[place]
            ceiling = upward(below, top=PLOT_TOP, bottom=PLOT_BOTTOM, low=0.0, high=high)
            rects.append(Rect(x, ceiling, width, round(floor - ceiling, 2), colour(number)))
    told = ", ".join(f"{name} {amount_text(values[place])}" for name, values in series.items())
    return Column(round(each * place, 3), round(each, 3), f"{moment_text(at_ms[place])}: {told} {unit}", rects)


def _busiest(totals: Sequence[float], at_ms: Sequence[int], unit: str) -> str:
    if not totals or max(totals) == 0:
        return "Nothing in this time."
    most = max(range(len(totals)), key=totals.__getitem__)
    return f"Most at {moment_text(at_ms[most])}: {amount_text(totals[most])} {unit}. Last: {amount_text(totals[-1])}."


def standing(ticks: Sequence[float], top: float, bottom: float) -> list[Tick]:
    """Ticks of the axis that stands, from the lowest up."""
    return [
        Tick(upward(tick, top=top, bottom=bottom, low=ticks[0], high=ticks[-1]), amount_text(tick)) for tick in ticks
    ]


def lying(first_ms: int, last_ms: int) -> list[Tick]:
    """Ticks of the axis of time, those left out whose text would not fit at an end."""
    times = time_ticks(first_ms, last_ms)
    step_ms = times[1] - times[0] if len(times) > 1 else last_ms - first_ms
    span = max(1, last_ms - first_ms)
    placed = [Tick(round(FULL * (at - first_ms) / span, 2), time_text(at, step_ms=step_ms)) for at in times]
    return [tick for tick in placed if 4.0 <= tick.at <= 96.0]
