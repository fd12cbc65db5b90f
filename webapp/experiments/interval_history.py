"""What an experiment's results were over time: few points, however long it runs.

A point is kept when the newest is older than a share of the time that the experiment has run, and when there are too many every other one
goes. So a young experiment has one each minute, and one of months still has its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from webapp.experiments.models import Experiment, IntervalPoint

MOST_POINTS: Final = 240
LEAST_APART: Final = timedelta(seconds=60)
_POINTS_AIMED_AT: Final = 120


def interval_note(*, experiment: Experiment, results: Mapping[str, Any], now: datetime) -> bool:
    """Keep these results unless some were kept a moment ago; answers whether they are kept."""
    if not any(arm["num_users"] for arm in results["arms"]):
        return False
    with transaction.atomic():
        locked = Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)
        known = IntervalPoint.objects.filter(experiment=locked)
        newest = known.order_by("-at", "-id").values_list("at", flat=True).first()
        ran = now - (locked.started_at or now)
        if newest is not None and now - newest < max(LEAST_APART, ran / _POINTS_AIMED_AT):
            return False
        IntervalPoint.objects.create(experiment=locked, at=now, results=dict(results))
        ids = list(known.order_by("at", "id").values_list("pk", flat=True))
        if len(ids) > MOST_POINTS:
            known.filter(pk__in=ids[1:-1:2]).delete()
    return True


def interval_points(*, experiment: Experiment) -> list[IntervalPoint]:
    """Every point that is kept, oldest first."""
    return list(IntervalPoint.objects.filter(experiment=experiment).order_by("at", "id"))
