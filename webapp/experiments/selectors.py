"""Which deployment answers a user: sticky, and decided without asking PostgreSQL each time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.db.models import QuerySet

from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.core.remembered import OUTAGE_S, Remembered
from webapp.experiments.models import Arm, Experiment
from webapp.serving.models import Deployment

NUM_PARTS = 10_000
PLAN_KEPT_S = 1.5


@dataclass(frozen=True, slots=True)
class Plan:
    """How a project's traffic is answered now. `arms` is empty without a running experiment."""

    deployments: dict[str, Deployment]
    default: Deployment | None
    salt: str
    arms: tuple[tuple[Deployment, int], ...]


_plans: Remembered[int, Plan] = Remembered(PLAN_KEPT_S, stale_s=OUTAGE_S)


def deployment_for(*, project: Project, user_id: str, name: str | None = None) -> Deployment:
    """The named deployment; else the running experiment's arm for this user, the same at every call; else the default.

    A change made by another process is seen within `PLAN_KEPT_S`. Raises `NotFound`.
    """
    plan = _plans.get(project.pk, lambda: _read_plan(project))
    if name is not None:
        if name not in plan.deployments:
            raise NotFound(f"There is no active deployment {name!r}.", code="no_deployment")
        return plan.deployments[name]
    part = part_of(plan.salt, user_id) if plan.arms else 0
    for deployment, share in plan.arms:
        if part < share:
            return deployment
        part -= share
    if plan.default is None:
        raise NotFound("Nothing is deployed: PUT /api/v1/deployments/{name} first.", code="no_deployment")
    return plan.default


def part_of(salt: str, user_id: str) -> int:
    """A user's place in 0..9,999, uniform over users and independent between salts."""
    digest = hashlib.blake2b(user_id.encode(), key=salt.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % NUM_PARTS


def experiments_of(*, project: Project) -> QuerySet[Experiment]:
    """Every experiment with its arms, newest first."""
    return Experiment.objects.filter(project=project).prefetch_related("arms__deployment").order_by("-id")


def experiment_get(*, project: Project, name: str) -> Experiment:
    """Raises `NotFound`."""
    experiment = experiments_of(project=project).filter(name=name).first()
    if experiment is None:
        raise NotFound(f"There is no experiment {name!r}.")
    return experiment


def plans_forget() -> None:
    """Read the plan again at the next request."""
    _plans.forget()


def _read_plan(project: Project) -> Plan:
    deployments = {one.name: one for one in Deployment.objects.filter(project=project, is_active=True)}
    arms = Arm.objects.filter(experiment__project=project, experiment__is_running=True, deployment__is_active=True)
    found = list(arms.select_related("experiment", "deployment").order_by("id"))
    return Plan(
        deployments=deployments,
        default=next((one for one in deployments.values() if one.is_default), None),
        salt=found[0].experiment.salt if found else "",
        arms=tuple((arm.deployment, arm.share) for arm in found),
    )
