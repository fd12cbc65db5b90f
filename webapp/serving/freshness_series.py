"""The series of how fresh replicas are: kept as it was measured, so that any window's percentiles are exact."""

from __future__ import annotations

from collections.abc import Iterable
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
NEWEST = timedelta(seconds=10)
NOW_S = 30


def freshness_note(*, model_version: ModelVersion, replica: str, measured: Freshness) -> FreshnessPoint:
    """Keep what a replica measured since the last time."""
    return FreshnessPoint.objects.create(
        model_version=model_version,
        replica=replica,
        wall_s=[round(each, 3) for each in measured.wall_s],
        event_s=[round(each, 3) for each in measured.event_s],
        num_given_up=measured.num_given_up,
        waiting_s=None if measured.waiting_s is None else round(measured.waiting_s, 3),
    )


def freshness_of(*, model_version: ModelVersion, window_s: int = WINDOW_S) -> dict[str, Any]:
    """Percentiles in seconds over the newest `window_s`, over all replicas; None where nothing was measured."""
    points = FreshnessPoint.objects.filter(
        model_version=model_version, at__gte=timezone.now() - timedelta(seconds=window_s)
    )
    rows = list(points.values_list("wall_s", "event_s", "num_given_up", "waiting_s", "at"))
    wall = [each for row in rows for each in row[0]]
    event = [each for row in rows for each in row[1]]
    return {
        "window_s": window_s,
        "num_canaries": len(wall),
        "num_given_up": sum(row[2] for row in rows),
        "waiting_s": _longest_wait((row[4], row[3]) for row in rows),
        "wall": _summary(wall),
        "event_time": _summary(event),
    }


def freshness_series(
    *, model_version: ModelVersion, window_s: int = WINDOW_S, num_points: int = POINTS_SHOWN
) -> list[dict[str, Any]]:
    """At most `num_points` points over the newest `window_s`, each of the canaries that arrived in its part of it.

    Where none did a point says for how long the oldest had been waited for, so that an outage is a hill and no gap; parts in which
    nobody measured are absent.
    """
    now, step_s = timezone.now(), window_s / num_points
    start = now - timedelta(seconds=window_s)
    points = FreshnessPoint.objects.filter(model_version=model_version, at__gte=start).order_by("at")
    arrived: dict[int, list[float]] = {}
    waiting: dict[int, list[float]] = {}
    for at, wall, waiting_s in points.values_list("at", "wall_s", "waiting_s"):
        part = _part(at, start, step_s)
        arrived.setdefault(part, []).extend(wall)
        waiting.setdefault(part, []).extend([] if waiting_s is None else [waiting_s])
    return [
        {
            "at_s": (start + timedelta(seconds=(part + 1) * step_s)).timestamp(),
            **_summary(values or [max(waiting[part])]),
        }
        for part, values in sorted(arrived.items())
        if values or waiting[part]
    ]


def freshness_now(*, model_version: ModelVersion) -> dict[str, float | None]:
    """The next point of the series, as it would be now: of the newest `NOW_S`."""
    newest = freshness_of(model_version=model_version, window_s=NOW_S)
    waiting_s = newest["waiting_s"]
    return newest["wall"] if newest["num_canaries"] or waiting_s is None else _summary([waiting_s])


def freshness_prune() -> int:
    """Forget points older than `KEPT`; answers how many."""
    return FreshnessPoint.objects.filter(at__lt=Now() - KEPT).delete()[0]


def _longest_wait(waits: Iterable[tuple[datetime, float | None]]) -> float | None:
    """Of the points within `NEWEST` of the newest one: replicas write one every few seconds."""
    known = list(waits)
    since = max((at for at, _ in known), default=None)
    if since is None:
        return None
    return max((wait for at, wait in known if wait is not None and since - at <= NEWEST), default=None)


def _part(at: datetime, start: datetime, step_s: float) -> int:
    return int((at - start).total_seconds() / step_s)


def _summary(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"p50_s": None, "p95_s": None, "max_s": None}
    return {"p50_s": percentile(values, 0.5), "p95_s": percentile(values, 0.95), "max_s": max(values)}
