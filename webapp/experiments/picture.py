"""Differences to the control drawn as bars: from the interval's low end to its high end, with the estimate as a dot and zero as a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

LEFT: Final = 150
WIDTH: Final = 440
ROW: Final = 30
TOP: Final = 24


def intervals_picture(results: Mapping[str, Any], metric: str) -> dict[str, Any] | None:
    """{"metric", "width", "height", "zero", "rows": [{"name", "y", "low", "length", "dot", "side", "text"}], "ends": [texts]}; None while
    no arm has an interval. Numbers are of the picture's own units, texts are shares of the control's value."""
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
        return float(round(LEFT + WIDTH * (value - low) / span, 1))

    rows = [
        {
            "name": name,
            "y": TOP + ROW * number,
            "text_y": TOP + ROW * number + 15,
            "dot_y": TOP + ROW * number + 10,
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
        "width": LEFT + WIDTH + 200,
        "text_x": LEFT + WIDTH + 10,
        "height": TOP + ROW * len(rows) + 4,
        "zero": place(0.0),
        "rows": rows,
    }


def metric_rows(results: Mapping[str, Any], metrics: list[str]) -> list[dict[str, Any]]:
    """A row for each arm, a cell for each metric: its value and interval, and the difference where there is one."""
    return [{**arm, "cells": [arm["metrics"].get(metric) for metric in metrics]} for arm in results.get("arms", ())]
