"""Experiments start, lose arms, stop, are promoted and rolled back."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from webapp.accounts.models import Project
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict, Invalid
from webapp.experiments.choosing import NUM_PARTS
from webapp.experiments.holdout import HOLDOUT, holdout_deployment
from webapp.experiments.metrics import check_metric
from webapp.experiments.models import Arm, Experiment, Guardrail
from webapp.experiments.selectors import experiment_get, plans_forget
from webapp.registry.selectors import schema_document
from webapp.registry.services import check_name
from webapp.serving.models import Deployment

MAX_ARMS = 20
MAX_SHADOWS = 5
MAX_TOLERANCE = 10.0


@dataclass(frozen=True, slots=True)
class Rail:
    """A guardrail to be: see `Guardrail`."""

    metric: str
    harm: str = Guardrail.Harm.DECREASE
    tolerance: float = 0.0
    min_users: int = 200


@dataclass(frozen=True, slots=True)
class Design:
    """What an experiment has besides its arms.

    `holdout` is (deployment, parts of 10,000): users who are answered without personalisation, by the deployment named or, for None, by
    the one called `holdout`, which is made where there is none: what is trending and new, by no model. `shadows` are (deployment, parts
    of 10,000 of the requests). `control` names the arm that others are compared with; None: the default deployment's, or the first.
    """

    holdout: tuple[Deployment | None, int] | None = None
    shadows: Sequence[tuple[Deployment, int]] = ()
    control: str | None = None
    guardrails: Sequence[Rail] = ()
    metric: str = ""
    alpha: float = 0.05


def experiment_start(
    *,
    project: Project,
    name: str,
    arms: Sequence[tuple[Deployment, int]],
    design: Design | None = None,
    by: str = "",
) -> Experiment:
    """Split traffic between `arms` (deployment, parts of 10,000; with the hold-out they sum to 10,000).

    Raises `Conflict` while another experiment of the project runs or for a name used before, `Invalid`.
    """
    design = design or Design()
    check_name("name", name)
    _check_arms(project, arms, design)
    _check_rest(project, arms, design)
    try:
        with transaction.atomic():
            experiment = Experiment.objects.create(
                project=project,
                name=name,
                salt=secrets.token_hex(16),
                is_running=True,
                started_at=Now(),
                metric=design.metric,
                alpha=design.alpha,
                created_by=by,
            )
            Arm.objects.bulk_create(_arms(experiment, arms, design))
            Guardrail.objects.bulk_create(
                Guardrail(
                    experiment=experiment,
                    metric=rail.metric,
                    harm=rail.harm,
                    tolerance=rail.tolerance,
                    min_users=rail.min_users,
                )
                for rail in design.guardrails
            )
            shares = {deployment.name: share for deployment, share in arms}
            _recorded(experiment, "experiment_start", {"arms": shares, "of": NUM_PARTS})
    except IntegrityError as error:
        if Experiment.objects.filter(project=project, name=name).exists():
            raise Conflict(f"There was already an experiment {name!r}; its assignment is not used twice.") from error
        raise Conflict("Another experiment is running; stop it first.") from error
    plans_forget()
    return experiment_get(project=project, name=name)


def experiment_stop(*, experiment: Experiment, by: str = "") -> None:
    """Traffic goes to the default deployment again. Stopping twice is harmless."""
    running = Experiment.objects.filter(pk=experiment.pk, is_running=True)
    with transaction.atomic():
        if running.update(is_running=False, stopped_at=Now(), stopped_why={"how": "stopped", "by": by}):
            _recorded(experiment, "experiment_stop", {})
    plans_forget()


def arm_stop(*, arm: Arm, why: Mapping[str, Any]) -> bool:
    """The arm's users go to the control from now on; answers whether it was going. Raises `Conflict` for the control itself."""
    if arm.is_control:
        raise Conflict("The control cannot be stopped by itself; stop the experiment.")
    going = Arm.objects.filter(pk=arm.pk, stopped_at=None, experiment__is_running=True)
    with transaction.atomic():
        was_going = bool(going.update(stopped_at=Now(), stopped_why=dict(why)))
        if was_going:
            _recorded(arm.experiment, "arm_stop", {"arm": arm.name, "why": dict(why)})
    plans_forget()
    return was_going


def experiment_promote(*, experiment: Experiment, arm: Arm, by: str = "") -> Experiment:
    """In one step: the arm's deployment becomes the default, and the experiment ends. Raises `Conflict`."""
    if arm.deployment is None:
        raise Conflict(f"The deployment of the arm {arm.name!r} is gone.")
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=experiment.project_id)
        known = Deployment.objects.filter(project=experiment.project_id)
        default = known.filter(is_default=True).first()
        _make_default(experiment.project_id, arm.deployment)
        Experiment.objects.filter(pk=experiment.pk, is_running=True).update(
            is_running=False, stopped_at=Now(), stopped_why={"how": "promoted", "by": by, "arm": arm.name}
        )
        Experiment.objects.filter(pk=experiment.pk).update(
            promoted_arm=arm, promoted_at=Now(), default_before=default, rolled_back_at=None
        )
        before = None if default is None else default.name
        _recorded(experiment, "experiment_promote", {"arm": arm.name, "default_before": before})
    plans_forget()
    return experiment_get(project=experiment.project, name=experiment.name)


def experiment_roll_back(*, experiment: Experiment) -> Experiment:
    """Undo a promotion: what was the default before is it again. Raises `Conflict` when there is nothing to undo."""
    if not experiment.can_roll_back or experiment.default_before is None:
        raise Conflict(f"No arm of {experiment.name!r} was promoted whose predecessor is still there.")
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=experiment.project_id)
        _make_default(experiment.project_id, experiment.default_before)
        Experiment.objects.filter(pk=experiment.pk).update(rolled_back_at=Now())
        _recorded(experiment, "experiment_roll_back", {"default": experiment.default_before.name})
    plans_forget()
    return experiment_get(project=experiment.project, name=experiment.name)


def _recorded(experiment: Experiment, action: str, details: Mapping[str, Any]) -> None:
    audit_record(project=experiment.project, action=action, target=f"experiment {experiment.name}", details=details)


def _make_default(project_id: int, deployment: Deployment) -> None:
    Deployment.objects.filter(project=project_id, is_default=True).exclude(pk=deployment.pk).update(is_default=False)
    Deployment.objects.filter(pk=deployment.pk).update(is_default=True, is_active=True)


def _arms(experiment: Experiment, arms: Sequence[tuple[Deployment, int]], design: Design) -> list[Arm]:
    rows = [Arm(experiment=experiment, name=one.name, deployment=one, share=share) for one, share in arms]
    if design.holdout is not None:
        answering, share = design.holdout
        answering = answering or holdout_deployment(project=experiment.project)
        rows.append(Arm(experiment=experiment, name=HOLDOUT, kind=Arm.Kind.HOLDOUT, deployment=answering, share=share))
    control = next((arm for arm in rows if arm.name == design.control), None)
    control = control or next((arm for arm in rows if arm.deployment and arm.deployment.is_default), rows[0])
    control.is_control = True
    for deployment, share in design.shadows:
        rows.append(
            Arm(experiment=experiment, name=deployment.name, kind=Arm.Kind.SHADOW, deployment=deployment, share=share)
        )
    return rows


def _check_arms(project: Project, arms: Sequence[tuple[Deployment, int]], design: Design) -> None:
    num_arms = len(arms) + (design.holdout is not None)
    if num_arms < 2 and not (arms and design.shadows):
        raise Invalid.field("arms", "must name at least two deployments, each once", f"{len(arms)} arms")
    if num_arms > MAX_ARMS or len(design.shadows) > MAX_SHADOWS:
        rule = f"at most {MAX_ARMS} arms and {MAX_SHADOWS} shadows"
        raise Invalid.field("arms", rule, f"{num_arms} arms, {len(design.shadows)} shadows")
    shares = [*arms, *design.shadows]
    if len({deployment.pk for deployment, _ in shares}) != len(shares):
        raise Invalid.field("arms", "must name at least two deployments, each once", f"{len(arms)} arms")
    named = [("holdout", *design.holdout)] if design.holdout else []
    for field, deployment, share in [
        *(("arms", *one) for one in arms),
        *(("shadows", *one) for one in design.shadows),
        *named,
    ]:
        if deployment is not None and (deployment.project_id != project.pk or not deployment.is_active):
            raise Invalid.field(field, "must be active deployments of this project", repr(deployment.name))
        if not 1 <= share <= NUM_PARTS:
            raise Invalid.field(field, f"each share must be at least 1 and at most {NUM_PARTS}", str(share))
    total = sum(share for _, share in arms) + (design.holdout[1] if design.holdout else 0)
    if total != NUM_PARTS:
        raise Invalid.field("arms", f"shares must sum to {NUM_PARTS}", str(total))


def _check_rest(project: Project, arms: Sequence[tuple[Deployment, int]], design: Design) -> None:
    names = [deployment.name for deployment, _ in arms]
    if design.holdout is not None:
        if HOLDOUT in names:
            raise Invalid.field("holdout", "cannot stand beside an arm of this name", repr(HOLDOUT))
        names.append(HOLDOUT)
    if design.control is not None and design.control not in names:
        raise Invalid.field("control", f"must be an arm: {', '.join(names)}", repr(design.control))
    if not 0.0001 <= design.alpha <= 0.5:
        raise Invalid.field("alpha", "must be from 0.0001 to 0.5", repr(design.alpha))
    schema = schema_document(project=project)
    if design.metric:
        check_metric("metric", design.metric, schema)
    for place, rail in enumerate(design.guardrails):
        check_metric(f"guardrails.{place}.metric", rail.metric, schema)
        if rail.harm not in Guardrail.Harm.values:
            rule = f"must be one of: {', '.join(Guardrail.Harm.values)}"
            raise Invalid.field(f"guardrails.{place}.harm", rule, repr(rail.harm))
        if not (math.isfinite(rail.tolerance) and 0 <= rail.tolerance <= MAX_TOLERANCE):
            raise Invalid.field(
                f"guardrails.{place}.tolerance", f"must be from 0 to {MAX_TOLERANCE:g}", repr(rail.tolerance)
            )
    if len({(rail.metric, rail.harm) for rail in design.guardrails}) != len(design.guardrails):
        raise Invalid.field(
            "guardrails", "must watch each metric and harm once", f"{len(design.guardrails)} guardrails"
        )
