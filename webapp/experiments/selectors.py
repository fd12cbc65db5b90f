"""Which deployment answers a user: sticky, and decided without asking PostgreSQL each time; and what experiments there are."""

from __future__ import annotations

import random
from collections.abc import Callable

from django.db.models import QuerySet

from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.core.remembered import OUTAGE_S, Remembered
from webapp.experiments.choosing import NUM_PARTS, Chosen, Plan, Shadow, choose, part_of, plan_of
from webapp.experiments.models import Arm, Experiment
from webapp.serving.models import Deployment

__all__ = [
    "NUM_PARTS",
    "Chosen",
    "Shadow",
    "deployment_for",
    "experiment_get",
    "experiment_running",
    "experiments_of",
    "part_of",
    "plans_forget",
]

PLAN_KEPT_S = 1.5

_plans: Remembered[int, Plan] = Remembered(PLAN_KEPT_S, stale_s=OUTAGE_S)


def deployment_for(
    *, project: Project, user_id: str, name: str | None = None, draw: Callable[[], float] = random.random
) -> Chosen:
    """The named deployment; else the running experiment's arm for this user, the same at every call; else the default.

    A change made by another process is seen within `PLAN_KEPT_S`. Within `only_remembered()` it never waits. Raises `NotFound`.
    """
    return choose(_plans.get(project.pk, lambda: _read_plan(project)), user_id, name, draw)


def experiments_of(*, project: Project) -> QuerySet[Experiment]:
    """Every experiment with its arms and guardrails, newest first."""
    known = Experiment.objects.filter(project=project).select_related("promoted_arm", "default_before")
    return known.prefetch_related("arms__deployment", "guardrails").order_by("-id")


def experiment_get(*, project: Project, name: str) -> Experiment:
    """Raises `NotFound`."""
    experiment = experiments_of(project=project).filter(name=name).first()
    if experiment is None:
        raise NotFound(f"There is no experiment {name!r}.")
    return experiment


def experiment_running(*, project: Project) -> Experiment | None:
    return experiments_of(project=project).filter(is_running=True).first()


def plans_forget() -> None:
    """Read the plan again at the next request."""
    _plans.forget()


def _read_plan(project: Project) -> Plan:
    deployments = {one.name: one for one in Deployment.objects.filter(project=project, is_active=True)}
    experiment = Experiment.objects.filter(project=project, is_running=True).first()
    arms = Arm.objects.filter(experiment=experiment, deployment__is_active=True) if experiment else Arm.objects.none()
    return plan_of(deployments, experiment, list(arms.select_related("deployment").order_by("id")))
