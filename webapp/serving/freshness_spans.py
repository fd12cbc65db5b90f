"""Freshness kept together: all that replicas measured of a version in six minutes, in one row, so that a day is read from 240 of them.

A row counts canaries by how long they took, in bins 2 % wide whose edges include those of the histogram. Rows are made from the points
when their time is over, every few minutes; what is not in one yet is read from the points.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from functools import cache

from django.db.models import Exists, Max, OuterRef, QuerySet
from django.utils import timezone

from webapp.registry.models import ModelVersion
from webapp.serving.freshness_histogram import EDGES_S
from webapp.serving.freshness_points import Stretch, stretches
from webapp.serving.models import FreshnessPoint, FreshnessSpan
from webapp.tracing.models import SPAN_S
from webapp.tracing.sync_spans import KEPT, LATE, SPAN, span_begin

WIDTH = 1.02
LONGEST_MS = 3_600_000


def spans_roll_up(*, now: datetime | None = None) -> int:
    """Keep together what has ended since the last time; answers how many rows it made."""
    moment = now or timezone.now()
    until = span_begin(moment - LATE)
    newest = dict(FreshnessSpan.objects.values_list("model_version").annotate(Max("at")))
    oldest = span_begin(moment - KEPT)
    num_made = 0
    for version_id in _measured_since(oldest, until):
        since = max(oldest, newest[version_id] + SPAN) if version_id in newest else oldest
        found = stretches(model_version_id=version_id, origin=since, stretch_s=SPAN_S, since=since, until=until)
        made = [_span(version_id, since + one.number * SPAN, one) for one in found]
        # Whoever made one at the same time made it of the same points.
        FreshnessSpan.objects.bulk_create(made, ignore_conflicts=True)
        num_made += len(made)
    return num_made


def spans_prune(*, now: datetime | None = None) -> int:
    """Forget rows older than `KEPT`; answers how many."""
    return FreshnessSpan.objects.filter(at__lt=(now or timezone.now()) - KEPT).delete()[0]


def spans_of(*, model_version: ModelVersion, since: datetime, until: datetime) -> QuerySet[FreshnessSpan]:
    """In order of time."""
    return FreshnessSpan.objects.filter(model_version=model_version, at__gte=since, at__lt=until).order_by("at")


def counts_ms(values_s: Iterable[float]) -> Counter[int]:
    """By the middle of their bin, in ms."""
    edges = edges_ms()
    numbers = Counter(bisect_left(edges, min(LONGEST_MS, round(1000 * value))) for value in values_s)
    return Counter({_middle(edges, number): count for number, count in numbers.items()})


@cache
def edges_ms() -> tuple[int, ...]:
    """Ascending from 0; a value lies in the bin whose upper edge it does not exceed."""
    edges, edge = {round(1000 * each) for each in EDGES_S} | {LONGEST_MS}, 0
    while edge < LONGEST_MS:
        edges.add(edge)
        edge = max(edge + 1, int(edge * WIDTH))
    return tuple(sorted(edges))


def _middle(edges: tuple[int, ...], number: int) -> int:
    return 0 if number == 0 else (edges[number - 1] + 1 + edges[number]) // 2


def _span(version_id: int, at: datetime, measured: Stretch) -> FreshnessSpan:
    return FreshnessSpan(
        model_version_id=version_id,
        at=at,
        counts=counts_ms(measured.wall_s),
        max_s=max(measured.wall_s, default=None),
        num_given_up=measured.num_given_up,
        waiting_s=measured.waiting_s,
    )


def _measured_since(oldest: datetime, until: datetime) -> list[int]:
    """Versions with points, found by the index of each: the points of all are many."""
    points = FreshnessPoint.objects.filter(model_version=OuterRef("pk"), at__gte=oldest, at__lt=until)
    return list(ModelVersion.objects.filter(Exists(points)).values_list("pk", flat=True))
