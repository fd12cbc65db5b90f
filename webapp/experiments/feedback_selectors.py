"""What became of what was shown: totals, and the same by revision, arm, source, place and hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet, Sum
from django.utils import timezone

from webapp.accounts.models import Project
from webapp.experiments.feedback_counting import SHOWN
from webapp.experiments.models import Experiment, Feedback, FeedbackCount, ShadowCount
from webapp.serving.models import Deployment

MAX_HOURS: Final = 24 * 90

_SHADOW_SUMS: Final = (
    "num_requests", "num_places", "num_shared", "num_acted", "num_acted_shared", "sum_reciprocal_shown", "sum_reciprocal_shadow",
)  # fmt: skip

Row = dict[str, Any]


def deployment_feedback(*, deployment: Deployment, hours: int = 24) -> Row:
    """Of what the deployment showed in the last `hours`, this one included: {"hours", "counted_through", "total", "by_revision",
    "by_source", "by_position", "by_arm", "by_hour", "shadows"}.

    A row is {"num_shown", "actions": {event type: count}, "rates": {event type: share}} with what it is grouped by; an action belongs to
    the hour in which the item was shown.
    """
    counts = FeedbackCount.objects.filter(
        project=deployment.project_id, deployment=deployment.name, hour__gt=_since(hours)
    )
    feedback = Feedback.objects.filter(project=deployment.project_id).first()
    shadows = ShadowCount.objects.filter(
        project=deployment.project_id, deployment=deployment.name, hour__gt=_since(hours)
    )
    return {
        "hours": hours,
        "counted_through": feedback.updated_at if feedback else None,
        "num_unattributed": feedback.num_unattributed if feedback else 0,
        "total": (_grouped(counts, ()) or [_row({}, {})])[0],
        "by_revision": _grouped(counts, ("revision",)),
        "by_source": _grouped(counts, ("source",)),
        "by_position": _grouped(counts, ("position",)),
        "by_arm": _grouped(counts.exclude(experiment=""), ("experiment", "arm")),
        "by_hour": _grouped(counts, ("hour",)),
        "as_shadow": _shadows(shadows),
    }


def feedback_by_deployment(*, project: Project, hours: int = 24) -> dict[str, Row]:
    """By name, of what each deployment showed in the last `hours`: {"num_shown", "actions", "rates"}, as in `deployment_feedback`."""
    counts = FeedbackCount.objects.filter(project=project, hour__gt=_since(hours))
    return {row["deployment"]: row for row in _grouped(counts, ("deployment",))}


def shadow_feedback(*, experiment: Experiment) -> list[Row]:
    """How each shadow of the experiment compares with what was shown beside it, while the experiment ran."""
    names = [arm.deployment.name for arm in experiment.arms.all() if arm.kind == arm.Kind.SHADOW and arm.deployment]
    if not names or experiment.started_at is None:
        return []
    counts = ShadowCount.objects.filter(
        project=experiment.project_id, deployment__in=names, hour__gte=experiment.started_at - timedelta(hours=1)
    )
    if experiment.stopped_at is not None:
        counts = counts.filter(hour__lte=experiment.stopped_at)
    return _shadows(counts)


def _since(hours: int) -> datetime:
    return timezone.now() - timedelta(hours=hours)


def _grouped(counts: QuerySet[FeedbackCount], names: Sequence[str]) -> list[Row]:
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    for *group, event_type, num in counts.order_by(*names).values_list(*names, "type").annotate(num=Sum("num")):
        found.setdefault(tuple(group), {})[event_type] = num
    return [_row(dict(zip(names, group, strict=True)), nums) for group, nums in found.items()]


def _row(group: Row, nums: dict[str, int]) -> Row:
    num_shown = nums.get(SHOWN, 0)
    actions = {name: num for name, num in sorted(nums.items()) if name != SHOWN}
    rates = {name: num / num_shown for name, num in actions.items()} if num_shown else {}
    return {**group, "num_shown": num_shown, "actions": actions, "rates": rates}


def _shadows(counts: QuerySet[ShadowCount]) -> list[Row]:
    groups = counts.order_by("deployment", "shown").values_list("deployment", "shown")
    rows = groups.annotate(*(Sum(name) for name in _SHADOW_SUMS))
    return [
        _shadow_row(deployment, shown, dict(zip(_SHADOW_SUMS, sums, strict=True))) for deployment, shown, *sums in rows
    ]


def _shadow_row(deployment: str, shown: str, sums: dict[str, float]) -> Row:
    num_acted, num_places = sums["num_acted"], sums["num_places"]
    return {
        "deployment": deployment,
        "shown": shown,
        "num_requests": sums["num_requests"],
        "overlap": sums["num_shared"] / num_places if num_places else None,
        "num_acted": num_acted,
        "acted_share": sums["num_acted_shared"] / num_acted if num_acted else None,
        "mean_reciprocal_rank": sums["sum_reciprocal_shadow"] / num_acted if num_acted else None,
        "mean_reciprocal_rank_shown": sums["sum_reciprocal_shown"] / num_acted if num_acted else None,
    }
