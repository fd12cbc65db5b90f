"""Curves of a slice: a line for each of its values, for the metrics that any of them has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from webapp.training.curves import Point, columns, slice_points
from webapp.training.models import Run
from webapp.training.run_charts import Chart, Group, Line, chart
from webapp.training.sketches import NUM_SKETCHED, SketchedGroup, sketched

MAX_VALUES: Final = 8
"""Of a slice with more values, those with the most scores are drawn."""

NUM_POINTS: Final = 240
_METRICS: Final = (
    ("auc", "AUC", "plain", "0.5 is chance, 1 is perfect"),
    ("grouped_auc", "AUC grouped by user", "plain", "0.5 is chance, 1 is perfect"),
    ("calibration", "Calibration", "plain", "1 is calibrated"),
    ("log_loss", "Log loss", "plain", "nats an example"),
    ("hr_at_10", "HR@10", "share", "share of clicks in the first 10"),
)


def slice_groups(run: Run, name: str) -> list[SketchedGroup]:
    """Charts of the slice as a run's page takes them; none before there are points."""
    points = _flattened(slice_points(run=run, name=name, limit=NUM_SKETCHED))
    return sketched([Group("", charts)], points) if (charts := _charts(points)) else []


def slice_columns(run: Run, name: str) -> dict[str, list[float | None]]:
    """As `curves.columns`, by `<value>.<metric>`, of the lines that `slice_groups` draws."""
    points = _flattened(slice_points(run=run, name=name, limit=NUM_POINTS))
    return columns(points, {key for one in _charts(points) for key in one.keys}) if points else {}


def _flattened(points: Sequence[Point]) -> list[Point]:
    return [Point(point.id, point.at, point.num_examples, _flat(point.values)) for point in points]


def _flat(values: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {f"{value}.{metric}": number for value, metrics in values.items() for metric, number in metrics.items()}


def _charts(points: Sequence[Point]) -> list[Chart]:
    if not points:
        return []
    scores = {
        key.removesuffix(".num_scores"): number or 0
        for key, number in points[-1].values.items()
        if key.endswith(".num_scores")
    }
    shown = sorted(scores, key=lambda value: -scores[value])[:MAX_VALUES]
    return [
        chart(title, form, *(Line(f"{value}.{metric}", value) for value in shown), unit=unit)
        for metric, title, form, unit in _METRICS
        if any(point.values.get(f"{value}.{metric}") is not None for point in points for value in shown)
    ]
