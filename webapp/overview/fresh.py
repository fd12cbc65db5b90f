"""How fresh the parameters are that answer, by canary events: now, and minute by minute over the last hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from webapp.core.remembered import Remembered
from webapp.registry.models import ModelVersion
from webapp.serving.freshness import percentile
from webapp.serving.models import FreshnessPoint
from webapp.training.models import Run

OBJECTIVE_S = 5.0
"""What Freshet promises at p95 with the default settings."""

NUM_MINUTES, NEWEST_MINUTES = 60, 5
MAX_POINTS = 20_000
KEPT_S = 4.0

_remembered: Remembered[tuple[int, ...], dict[int, Fresh]] = Remembered(KEPT_S, max_entries=256)


@dataclass(frozen=True)
class Fresh:
    """Of one model version, in seconds; None where no canary arrived. `waiting_s`: how long the oldest one is waited for by now."""

    p50_s: float | None
    p95_s: float | None
    waiting_s: float | None
    minutes_p95_s: list[float | None]

    @property
    def worst_s(self) -> float | None:
        """What the objective is held against: an outage counts before anything arrives."""
        known = [value for value in (self.p95_s, self.waiting_s) if value is not None]
        return max(known, default=None)


def versions_online(project_ids: Sequence[int]) -> dict[int, list[ModelVersion]]:
    """By project, the versions that somebody wants trained online."""
    runs = Run.objects.filter(project__in=project_ids, mode=Run.Mode.ONLINE, wanted=True).order_by("pk")
    found: dict[int, list[ModelVersion]] = {}
    for run in runs.select_related("model_version__model").defer("report", "latest"):
        versions = found.setdefault(run.project_id, [])
        if run.model_version not in versions:
            versions.append(run.model_version)
    return found


def freshness_by_version(version_ids: Sequence[int]) -> dict[int, Fresh]:
    """In one query; remembered for a moment, for many look at the same page."""
    wanted = tuple(sorted(version_ids))
    return _remembered.get(wanted, lambda: _measured(wanted, timezone.now())) if wanted else {}


def _measured(version_ids: Sequence[int], now: datetime) -> dict[int, Fresh]:
    begins = now - timedelta(minutes=NUM_MINUTES)
    points = FreshnessPoint.objects.filter(model_version__in=version_ids, at__gte=begins).order_by("-at")
    rows: dict[int, list[tuple[datetime, list[float], float | None]]] = {one: [] for one in version_ids}
    for version_id, at, wall_s, waiting_s in points.values_list("model_version_id", "at", "wall_s", "waiting_s")[
        :MAX_POINTS
    ]:
        rows[version_id].append((at, wall_s, waiting_s))
    return {one: _of(found, begins, now) for one, found in rows.items()}


def _of(rows: Sequence[tuple[datetime, list[float], float | None]], begins: datetime, now: datetime) -> Fresh:
    minutes: list[list[float]] = [[] for _ in range(NUM_MINUTES)]
    for at, wall_s, waiting_s in rows:
        minute = min(NUM_MINUTES - 1, int((at - begins).total_seconds() // 60))
        minutes[minute].extend(wall_s)
        if not wall_s and waiting_s is not None:
            minutes[minute].append(waiting_s)
    newest = now - timedelta(minutes=NEWEST_MINUTES)
    arrived = [value for at, wall_s, _ in rows if at >= newest for value in wall_s]
    waits = [wait for at, _, wait in rows if wait is not None and (now - at).total_seconds() <= 15]
    return Fresh(
        percentile(arrived, 0.5) if arrived else None,
        percentile(arrived, 0.95) if arrived else None,
        max(waits, default=None),
        [percentile(values, 0.95) if values else None for values in minutes],
    )
