"""What an experiment's arms came to: metrics with intervals, and differences to the control, from the counts by user.

Kept on the experiment (`Experiment.results`) by the job that counts, so that no page or call adds up users:
{"control": arm, "arms": [{"name", "num_users", "num_shown", "metrics": {metric: {"value", "low", "high", "difference": {"value", "low",
"high", "relative", "relative_low", "relative_high"} or null}}}], "guardrails": see `guardrail_states`}. `low` and `high` are null while
there are too few users. What they were before is kept too, thinly: `interval_history`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from engine.spec.schema import Schema
from webapp.experiments.feedback_counting import SHOWN
from webapp.experiments.feedback_taking import window_s
from webapp.experiments.guardrail_states import rail_states
from webapp.experiments.interval_history import interval_note
from webapp.experiments.metrics import Metric, metrics_of
from webapp.experiments.models import Experiment
from webapp.experiments.statistics import Estimate, Interval, Moments, contrast, estimate, interval
from webapp.registry.selectors import schema_document

Estimates = dict[str, Estimate]

RESULTS_EVERY = timedelta(seconds=20)

_USERS = """
SELECT arm, count(*), sum(y)::float8, sum(y * y)::float8{sums} FROM (
    SELECT arm, "user", sum(num) FILTER (WHERE type = %s) AS y{columns}
    FROM experiments_armusercount WHERE project_id = %s AND experiment = %s GROUP BY arm, "user"
) AS each_user WHERE y > 0 GROUP BY arm
"""


def results_due() -> list[Experiment]:
    """Experiments whose results may have changed since they were last made: those that run, and those whose last actions still come."""
    late = Now() - timedelta(seconds=window_s())
    ongoing = Q(is_running=True) | Q(stopped_at__gt=late)
    stale = Q(results_at=None) | Q(results_at__lt=Now() - RESULTS_EVERY)
    return list(
        Experiment.objects.filter(ongoing & stale).select_related("project").prefetch_related("arms", "guardrails")
    )


def results_update(*, experiment: Experiment) -> dict[str, Estimates]:
    """Make the results anew and keep them; answers each arm's estimates by metric."""
    schema = schema_document(project=experiment.project)
    shown, found = estimates_of(experiment, schema)
    control = next((arm.name for arm in experiment.arms.all() if arm.is_control), None)
    results: dict[str, Any] = {
        "control": control,
        "arms": [
            {
                "name": arm.name,
                "num_users": shown.get(arm.name, (0, 0))[0],
                "num_shown": shown.get(arm.name, (0, 0))[1],
                "metrics": _described(
                    found.get(arm.name, {}), found.get(control or "", {}), arm.name == control, experiment.alpha
                ),
            }
            for arm in experiment.arms.all()
            if arm.kind != arm.Kind.SHADOW
        ],
    }
    results["guardrails"] = rail_states(experiment=experiment, found=found)
    Experiment.objects.filter(pk=experiment.pk).update(results=results, results_at=Now())
    interval_note(experiment=experiment, results=results, now=timezone.now())
    return found


def estimates_of(experiment: Experiment, schema: Schema) -> tuple[dict[str, tuple[int, int]], dict[str, Estimates]]:
    """Of each arm the users and items shown, and the estimates by metric."""
    metrics = metrics_of(schema)
    types = list(dict.fromkeys(metric.event_type for metric in metrics))
    shown: dict[str, tuple[int, int]] = {}
    found: dict[str, Estimates] = {}
    for arm, num, y, yy, *sums in _rows(experiment, types):
        shown[arm] = (num, int(y))
        found[arm] = {}
        for metric in metrics:
            place = 3 * types.index(metric.event_type)
            made = estimate(_moments(metric, num, (y, yy), sums[place : place + 3]))
            if made is not None:
                found[arm][metric.name] = made
    return shown, found


def _rows(experiment: Experiment, types: Sequence[str]) -> list[Any]:
    columns = "".join(f", coalesce(sum(num) FILTER (WHERE type = %s), 0) AS x{number}" for number in range(len(types)))
    sums = "".join(
        f", sum(x{number})::float8, sum(x{number} * x{number})::float8, sum(x{number} * y)::float8"
        for number in range(len(types))
    )
    with connection.cursor() as cursor:
        statement = _USERS.format(columns=columns, sums=sums)
        cursor.execute(statement, [SHOWN, *types, experiment.project_id, experiment.name])
        return list(cursor.fetchall())


def _moments(metric: Metric, num: int, shown: tuple[float, float], sums: Sequence[float]) -> Moments:
    x, xx, xy = sums
    if metric.is_rate:
        return Moments(num, x, shown[0], xx, xy, shown[1])
    return Moments(num, x, float(num), xx, x, float(num))


def _described(arm: Estimates, control: Estimates, is_control: bool, alpha: float) -> dict[str, Any]:
    return {
        name: {
            **_interval(of.value, interval(of, alpha)),
            "difference": None if is_control or name not in control else _difference(of, control[name], alpha),
        }
        for name, of in arm.items()
    }


def _difference(arm: Estimate, control: Estimate, alpha: float) -> dict[str, float | None]:
    found = _interval(arm.value - control.value, contrast(arm, control, alpha))
    base = control.value
    relative = {
        f"relative{ending}": None if base <= 0 or (value := found[name]) is None else value / base
        for name, ending in (("value", ""), ("low", "_low"), ("high", "_high"))
    }
    return found | relative


def _interval(value: float, found: Interval | None) -> dict[str, float | None]:
    return {"value": value, "low": found.low if found else None, "high": found.high if found else None}
