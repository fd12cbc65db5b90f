"""How fresh replicas are: what they measure is kept as it is, and summed up over the newest seconds, minutes or hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from engine.serving.freshness_meter import Freshness
from webapp.registry.models import ModelVersion
from webapp.serving.freshness import percentile
from webapp.serving.freshness_parts import Part, freshness_parts
from webapp.serving.freshness_points import whole
from webapp.serving.models import FreshnessPoint

KEPT = timedelta(days=7)
WINDOW_S = 3600
POINTS_SHOWN = 120
NEWEST_S = 10
"""Replicas write a point every few seconds: those before the newest ones tell of waits that may be over."""

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
    since = timezone.now() - timedelta(seconds=window_s)
    found = whole(model_version_id=model_version.pk, since=since, newest_s=NEWEST_S)
    return {
        "window_s": window_s,
        "num_canaries": len(found.wall_s),
        "num_given_up": found.num_given_up,
        "waiting_s": found.waiting_s,
        "wall": _summary(found.wall_s),
        "event_time": _summary(found.event_s),
    }


def freshness_series(
    *, model_version: ModelVersion, window_s: int = WINDOW_S, num_points: int = POINTS_SHOWN
) -> list[dict[str, Any]]:
    """At most `num_points` points over the newest `window_s`, each of the canaries that arrived in its part of it.

    Where none did a point says for how long the oldest had been waited for, so that an outage is a hill and no gap; parts in which
    nobody measured are absent.
    """
    return series_of(freshness_parts(model_version=model_version, window_s=window_s, num_parts=num_points))


def series_of(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """As `freshness_series`."""
    return [
        {"at_s": part.ends_at.timestamp(), **summary}
        for part in parts
        if (summary := _of_part(part))["max_s"] is not None
    ]


def freshness_now(*, model_version: ModelVersion) -> dict[str, float | None]:
    """The next point of the series, as it would be now: of the newest `NOW_S`."""
    newest = freshness_of(model_version=model_version, window_s=NOW_S)
    waiting_s = newest["waiting_s"]
    return newest["wall"] if newest["num_canaries"] or waiting_s is None else _summary([waiting_s])


def freshness_prune() -> int:
    """Forget points older than `KEPT`; answers how many."""
    return FreshnessPoint.objects.filter(at__lt=Now() - KEPT).delete()[0]


def _of_part(part: Part) -> dict[str, float | None]:
    if not part.counts:
        return _summary([] if part.waiting_s is None else [part.waiting_s])
    return {"p50_s": part.percentile(0.5), "p95_s": part.percentile(0.95), "max_s": part.max_s}


def _summary(measured: list[float]) -> dict[str, float | None]:
    if not measured:
        return {"p50_s": None, "p95_s": None, "max_s": None}
    values = sorted(measured)
    return {"p50_s": percentile(values, 0.5), "p95_s": percentile(values, 0.95), "max_s": values[-1]}
