"""The stages as bars from one moment to the next, on a scale of time since receipt that shows milliseconds and minutes alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from webapp.tracing.lanes import Lane
from webapp.tracing.stages import Stage, in_words

LEFT, RIGHT, WIDTH = 190, 74, 900
ROW_HEIGHT, TOP, BAR = 26, 26, 12
TICKS_S = (0.1, 1, 10, 60, 600, 3600, 36_000, 360_000)
LINEAR_S = 0.1
"""Below this the scale is about even, above it each tenfold takes the same room."""


@dataclass(frozen=True, slots=True)
class Bar:
    """From the stage before to this one, in the picture's units."""

    label: str
    x: float
    y: float
    width: float
    text: str
    text_x: float
    kind: str

    @property
    def middle(self) -> float:
        return self.y + BAR / 2 + 4


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """`described` says in words what the bars show."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    height: int
    described: str
    width: int = WIDTH
    left: int = LEFT
    bar_height: int = BAR


def waterfall(stages: Sequence[Stage], lanes: Sequence[Lane]) -> Waterfall | None:
    """None where nothing but the receipt has a time."""
    rows = _rows(stages, lanes)
    if not rows:
        return None
    longest_s = max(*(after_s for _, _, after_s, _ in rows), 2 * LINEAR_S)
    bars = tuple(_bar(number, *row, longest_s=longest_s) for number, row in enumerate(rows))
    ticks = tuple(Tick(_x(each, longest_s), in_words(each)) for each in TICKS_S if each <= longest_s)
    described = "; ".join(f"{bar.label} after {bar.text}" for bar in bars)
    return Waterfall(bars, ticks, TOP + ROW_HEIGHT * len(bars) + 6, described)


def _rows(stages: Sequence[Stage], lanes: Sequence[Lane]) -> list[tuple[str, float, float, str]]:
    """Label, from and to in seconds since receipt, and which kind of stage."""
    joined_s = next((one.after_s for one in stages if one.title == "Joiner" and one.after_s is not None), None)
    rows = [] if joined_s is None else [("Joiner", 0.0, joined_s, "joiner")]
    ended_s = max(
        (one.after_s for one in stages if one.title == "Window ended" and one.after_s is not None), default=None
    )
    if ended_s is not None:
        rows.append(("Window ended", joined_s or 0.0, ended_s, "window"))
    for lane in lanes:
        begun_s = (joined_s or 0.0) if lane.example.is_positive else (ended_s or joined_s or 0.0)
        for stage, kind in zip(lane.stages, ("step", "publish"), strict=True):
            if stage.after_s is not None:
                rows.append(
                    (f"{lane.version} {'learned' if kind == 'step' else 'published'}", begun_s, stage.after_s, kind)
                )
                begun_s = stage.after_s
        rows += [
            (f"{lane.version} on {one.title}", begun_s, one.after_s, "replica")
            for one in lane.replicas
            if one.after_s is not None
        ]
    return rows


def _bar(number: int, label: str, begun_s: float, after_s: float, kind: str, *, longest_s: float) -> Bar:
    start, end = _x(min(begun_s, after_s), longest_s), _x(after_s, longest_s)
    return Bar(label, start, TOP + ROW_HEIGHT * number, max(2.0, end - start), in_words_precise(after_s), end + 6, kind)


def in_words_precise(seconds: float) -> str:
    """As `in_words`, with tenths below ten seconds."""
    return f"{seconds:.2f} s" if 1 <= seconds < 10 else in_words(seconds)


def _x(seconds: float, longest_s: float) -> float:
    share = math.log1p(max(0.0, seconds) / LINEAR_S) / math.log1p(longest_s / LINEAR_S)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)
