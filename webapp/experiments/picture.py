"""Differences to the control drawn as bars: from the interval's low end to its high end, with the estimate as a dot and zero as a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

WIDTH: Final = 440
MARGIN: Final = 10
ROW: Final = 46
TOP: Final = 22


def intervals_picture(results: Mapping[str, Any], metric: str) -> dict[str, Any] | None:
    """{"metric", "width", "height", "zero", "rows": [{"name", "text", "text_y", "bar_y", "dot_y", "low", "length", "dot", "side"}]}; None
    while no arm has an interval. Numbers are of the picture's own units, texts are shares of the control's value."""
    found = {}
    for arm in results.get("arms", ()):
        difference = arm["metrics"].get(metric, {}).get("difference")
        if difference and difference["relative_low"] is not None:
            found[arm["name"]] = difference
    if not found:
        return None
    low = min(0.0, *(each["relative_low"] for each in found.values()))
    high = max(0.0, *(each["relative_high"] for each in found.values()))
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return float(round(MARGIN + WIDTH * (value - low) / span, 1))

    rows = [
        {
            "name": name,
            "text_y": TOP + ROW * number + 13,
            "bar_y": TOP + ROW * number + 20,
            "dot_y": TOP + ROW * number + 28,
            "low": place(each["relative_low"]),
            "length": max(1.0, round(place(each["relative_high"]) - place(each["relative_low"]), 1)),
            "dot": place(each["relative"]),
            "side": "up" if each["relative_low"] > 0 else "down" if each["relative_high"] < 0 else "",
            "text": f"{each['relative']:+.1%} ({each['relative_low']:+.1%} to {each['relative_high']:+.1%})",
        }
        for number, (name, each) in enumerate(found.items())
    ]
    return {
        "metric": metric,
        "width": WIDTH + 2 * MARGIN,
        "height": TOP + ROW * len(rows) + 4,
        "zero": place(0.0),
        "rows": rows,
    }


def metric_rows(results: Mapping[str, Any], metrics: list[str]) -> list[dict[str, Any]]:
    """A row for each arm, a cell for each metric: its value and interval, and the difference where there is one."""
    return [{**arm, "cells": [arm["metrics"].get(metric) for metric in metrics]} for arm in results.get("arms", ())]
