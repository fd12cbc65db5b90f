"""What is counted of feedback does not grow for ever."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from webapp import environment
from webapp.experiments.models import ArmUserCount, Experiment, FeedbackCount, ShadowCount


def feedback_prune() -> int:
    """Forget counts older than `FRESHET_FEEDBACK_DAYS` (90; 0 keeps them), and those by user of experiments that stopped so long ago,
    whose results stay; answers how many rows went."""
    days = environment.integer("FRESHET_FEEDBACK_DAYS", 90)
    if days <= 0:
        return 0
    old = Now() - timedelta(days=days)
    num = FeedbackCount.objects.filter(hour__lt=old).delete()[0] + ShadowCount.objects.filter(hour__lt=old).delete()[0]
    for project_id, name in Experiment.objects.filter(stopped_at__lt=old).values_list("project_id", "name"):
        num += ArmUserCount.objects.filter(project=project_id, experiment=name).delete()[0]
    return num
