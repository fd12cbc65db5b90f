"""Differences to the control drawn as a forest: a line for each arm from its interval's low end to its high end, the estimate as a dot,
all on one axis with zero marked. Places are per cent of the picture's width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from webapp.core.pictures.picture import Tick
from webapp.core.pictures.scales import round_ticks

EDGE: Final = 2.0
"""Per cent left free at both ends, for dots and the texts of the outermost ticks."""

VERDICTS: Final = {"up": "surely more", "down": "surely less", "": "not told apart yet"}


@dataclass(frozen=True)
class ForestRow:
    """An arm. `side` is `up` or `down` where the interval leaves zero, else empty; `low` and `width` None while there is no interval."""

    name: str
    value: float
    num_users: int
    is_control: bool
    low: float | None
    width: float
    dot: float
    side: str
    text: str

    @property
    def verdict(self) -> str:
        if self.is_control:
            return "the control"
        return "too few users or actions yet" if self.low is None else VERDICTS[self.side]


@dataclass(frozen=True)
class Forest:
    """One metric of every arm. `values` are the metric's own, differences are relative to the control's. `ticks` are empty while no arm
    has an interval."""

    metric: str
    rows: list[ForestRow]
    ticks: list[Tick]
    zero: float

    @property
    def is_rate(self) -> bool:
        return self.metric.endswith("_rate")

    @property
    def is_empty(self) -> bool:
        """Nobody did anything of it."""
        return not any(row.value for row in self.rows)

    @property
    def summary(self) -> str:
        told = [f"{row.name} {row.text}" for row in self.rows if row.low is not None]
        return f"{self.metric}, difference to the control: {'; '.join(told) or 'no interval yet'}"


def forest(results: Mapping[str, Any], metric: str) -> Forest | None:
    """None when nothing of the metric is known."""
    arms = [arm for arm in results.get("arms", ()) if metric in arm["metrics"]]
    if not arms:
        return None
    known = [found for arm in arms if (found := _difference(arm, metric)) is not None]
    low = min([0.0, *(one["relative_low"] for one in known)])
    high = max([0.0, *(one["relative_high"] for one in known)])
    ticks = round_ticks(low, high) if known else []
    first, last = (ticks[0], ticks[-1]) if ticks else (0.0, 1.0)

    def place(value: float) -> float:
        return round(EDGE + (100 - 2 * EDGE) * (value - first) / (last - first), 2)

    rows = []
    for arm in arms:
        found = _difference(arm, metric)
        rows.append(
            ForestRow(
                name=arm["name"],
                value=arm["metrics"][metric]["value"],
                num_users=arm["num_users"],
                is_control=arm["name"] == results.get("control"),
                low=None if found is None else place(found["relative_low"]),
                width=0.0 if found is None else max(0.4, place(found["relative_high"]) - place(found["relative_low"])),
                dot=0.0 if found is None else place(found["relative"]),
                side="" if found is None else _side(found),
                text="" if found is None else _text(found),
            )
        )
    return Forest(metric, rows, [Tick(place(tick), f"{100 * tick:+g}%" if tick else "0") for tick in ticks], place(0.0))


def _difference(arm: Mapping[str, Any], metric: str) -> Mapping[str, float] | None:
    found = arm["metrics"].get(metric, {}).get("difference")
    return found if found and found["relative_low"] is not None else None


def _side(found: Mapping[str, float]) -> str:
    return "up" if found["relative_low"] > 0 else "down" if found["relative_high"] < 0 else ""


def _text(found: Mapping[str, float]) -> str:
    return f"{found['relative']:+.1%} ({found['relative_low']:+.1%} to {found['relative_high']:+.1%})"
