"""The series of how fresh replicas are: kept as it was measured, so that any window's percentiles are exact."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from engine.serving.freshness_meter import Freshness
from webapp.registry.models import ModelVersion
from webapp.serving.freshness import percentile
from webapp.serving.models import FreshnessPoint

KEPT = timedelta(days=7)
WINDOW_S = 3600
POINTS_SHOWN = 120


def freshness_note(*, model_version: ModelVersion, replica: str, measured: Freshness) -> FreshnessPoint:
    """Keep what a replica measured since the last time."""
    return FreshnessPoint.objects.create(
        model_version=model_version,
        replica=replica,
        wall_s=[round(each, 3) for each in measured.wall_s],
        event_s=[round(each, 3) for each in measured.event_s],
        num_given_up=measured.num_given_up,
    )


def freshness_of(*, model_version: ModelVersion, window_s: int = WINDOW_S) -> dict[str, Any]:
    """Percentiles in seconds over the newest `window_s`, over all replicas; None where nothing was measured."""
    points = FreshnessPoint.objects.filter(
        model_version=model_version, at__gte=timezone.now() - timedelta(seconds=window_s)
    )
    rows = list(points.values_list("wall_s", "event_s", "num_given_up"))
    wall = [each for row in rows for each in row[0]]
    event = [each for row in rows for each in row[1]]
    return {
        "window_s": window_s,
        "num_canaries": len(wall),
        "num_given_up": sum(row[2] for row in rows),
        "wall": _summary(wall),
        "event_time": _summary(event),
    }


def freshness_series(
    *, model_version: ModelVersion, window_s: int = WINDOW_S, num_points: int = POINTS_SHOWN
) -> list[dict[str, Any]]:
    """At most `num_points` points over the newest `window_s`, each of the canaries of its part of it; parts without any are absent."""
    now, step_s = timezone.now(), window_s / num_points
    start = now - timedelta(seconds=window_s)
    points = FreshnessPoint.objects.filter(model_version=model_version, at__gte=start).order_by("at")
    parts: dict[int, list[float]] = {}
    for at, wall in points.values_list("at", "wall_s"):
        parts.setdefault(_part(at, start, step_s), []).extend(wall)
    return [
        {"at_s": (start + timedelta(seconds=(part + 1) * step_s)).timestamp(), **_summary(values)}
        for part, values in sorted(parts.items())
        if values
    ]


def freshness_prune() -> int:
    """Forget points older than `KEPT`; answers how many."""
    return FreshnessPoint.objects.filter(at__lt=Now() - KEPT).delete()[0]


def _part(at: datetime, start: datetime, step_s: float) -> int:
    return int((at - start).total_seconds() / step_s)


def _summary(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"p50_s": None, "p95_s": None, "max_s": None}
    return {"p50_s": percentile(values, 0.5), "p95_s": percentile(values, 0.95), "max_s": max(values)}
