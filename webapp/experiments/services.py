"""Experiments start and stop."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from webapp.accounts.models import Project
from webapp.core.errors import Conflict, Invalid
from webapp.experiments.models import Arm, Experiment
from webapp.experiments.selectors import NUM_PARTS, experiment_get, plans_forget
from webapp.registry.services import check_name
from webapp.serving.models import Deployment


def experiment_start(*, project: Project, name: str, arms: Sequence[tuple[Deployment, int]]) -> Experiment:
    """Split traffic between `arms` (deployment, parts of 10,000; they sum to 10,000).

    Raises `Conflict` while another experiment of the project runs or for a name used before, `Invalid`.
    """
    check_name("name", name)
    _check_arms(project, arms)
    try:
        with transaction.atomic():
            experiment = Experiment.objects.create(
                project=project, name=name, salt=secrets.token_hex(16), is_running=True, started_at=Now()
            )
            Arm.objects.bulk_create(
                Arm(experiment=experiment, deployment=deployment, share=share) for deployment, share in arms
            )
    except IntegrityError as error:
        if Experiment.objects.filter(project=project, name=name).exists():
            raise Conflict(f"There was already an experiment {name!r}; its assignment is not used twice.") from error
        raise Conflict("Another experiment is running; stop it first.") from error
    plans_forget()
    return experiment_get(project=project, name=name)


def experiment_stop(*, experiment: Experiment) -> None:
    """Traffic goes to the default deployment again. Stopping twice is harmless."""
    running = Experiment.objects.filter(pk=experiment.pk, is_running=True)
    running.update(is_running=False, stopped_at=Now())
    plans_forget()


def _check_arms(project: Project, arms: Sequence[tuple[Deployment, int]]) -> None:
    if len(arms) < 2 or len({deployment.pk for deployment, _ in arms}) != len(arms):
        raise Invalid.field("arms", "must name at least two deployments, each once", f"{len(arms)} arms")
    for deployment, share in arms:
        if deployment.project_id != project.pk or not deployment.is_active:
            raise Invalid.field("arms", "must be active deployments of this project", repr(deployment.name))
        if share < 1:
            raise Invalid.field("arms", "each share must be at least 1", str(share))
    total = sum(share for _, share in arms)
    if total != NUM_PARTS:
        raise Invalid.field("arms", f"shares must sum to {NUM_PARTS}", str(total))
