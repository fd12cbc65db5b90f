"""How an experiment's intervals narrowed: of each arm the difference to the control over time, a line within its band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from webapp.core.pictures.bars import lying, standing
from webapp.core.pictures.picture import Name, Picture, Table, Tick, colour, upward
from webapp.core.pictures.scales import amount_text, moment_text, round_ticks
from webapp.experiments.models import IntervalPoint

TOP: Final = 8.0
BOTTOM: Final = 148.0
HEIGHT: Final = 172
WIDTH: Final = 1000.0
MOST: Final = 300.0
"""Per cent: the first intervals are so wide that nothing else would be seen."""


@dataclass(frozen=True)
class Band:
    """An arm: `area` and `line` are lists of points for SVG."""

    number: int
    area: str
    line: str


@dataclass(frozen=True)
class Bands(Picture):
    """`is_cut`: some intervals go beyond what is drawn."""

    template: ClassVar[str] = "experiments/bands.html"
    bands: list[Band]
    zero: float
    names: list[Name]
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    table: Table
    is_cut: bool
    height: int = HEIGHT
    top: float = TOP
    bottom: float = BOTTOM


Reading = tuple[int, float, float, float]
"""When in ms, and the difference, its low end and its high end in per cent of the control's."""


def history_picture(points: Sequence[IntervalPoint], metric: str) -> Bands | None:
    """None before two points have an interval of one arm."""
    series: dict[str, list[Reading]] = {}
    for point in points:
        for arm in point.results.get("arms", ()):
            found = arm["metrics"].get(metric, {}).get("difference")
            if found and found.get("relative_low") is not None:
                middle, lowest, highest = (100 * float(found[f"relative{ending}"]) for ending in ("", "_low", "_high"))
                series.setdefault(arm["name"], []).append((int(point.at.timestamp() * 1000), middle, lowest, highest))
    series = {name: readings for name, readings in series.items() if len(readings) > 1}
    if not series:
        return None
    every = [reading for readings in series.values() for reading in readings]
    low = max(-MOST, min(0.0, *(reading[2] for reading in every)))
    high = min(MOST, max(0.0, *(reading[3] for reading in every)))
    ticks = round_ticks(low, high)
    first_ms, last_ms = min(reading[0] for reading in every), max(reading[0] for reading in every)

    def at(time_ms: int, value: float) -> str:
        x = round(WIDTH * (time_ms - first_ms) / max(1, last_ms - first_ms), 1)
        inside = min(ticks[-1], max(ticks[0], value))
        return f"{x},{upward(inside, top=TOP, bottom=BOTTOM, low=ticks[0], high=ticks[-1])}"

    return Bands(
        title=f"{metric}, difference to the control",
        summary="; ".join(_told(name, readings[-1]) for name, readings in series.items()),
        unit="% of the control's",
        bands=[
            Band(
                colour(number),
                " ".join([at(one[0], one[3]) for one in readings] + [at(one[0], one[2]) for one in reversed(readings)]),
                " ".join(at(one[0], one[1]) for one in readings),
            )
            for number, readings in enumerate(series.values())
        ],
        zero=upward(0.0, top=TOP, bottom=BOTTOM, low=ticks[0], high=ticks[-1]),
        names=[
            Name(colour(number), name, f"{readings[-1][1]:+.1f}%")
            for number, (name, readings) in enumerate(series.items())
        ],
        y_ticks=standing(ticks, TOP, BOTTOM),
        x_ticks=lying(first_ms, last_ms),
        table=_table(series),
        is_cut=any(reading[2] < ticks[0] or reading[3] > ticks[-1] for reading in every),
    )


def _told(name: str, last: Reading) -> str:
    return f"{name} {last[1]:+.1f}% ({last[2]:+.1f}% to {last[3]:+.1f}%)"


def _table(series: Mapping[str, Sequence[Reading]]) -> Table:
    """Newest first, so that what is so now stands at the top."""
    times = sorted({reading[0] for readings in series.values() for reading in readings}, reverse=True)
    by_time: dict[str, dict[int, Any]] = {
        name: {reading[0]: reading for reading in readings} for name, readings in series.items()
    }
    rows = []
    for time_ms in times:
        cells = [moment_text(time_ms)]
        for name in series:
            one = by_time[name].get(time_ms)
            cells += [amount_text(one[1]), f"{one[2]:.1f} to {one[3]:.1f}"] if one else ["–", "–"]
        rows.append(cells)
    head = ["Time (UTC)"]
    for name in series:
        head += [name, f"{name}, interval"]
    return Table(head, rows)
