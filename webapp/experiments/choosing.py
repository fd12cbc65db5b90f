"""Which deployment answers a request, in which arm, and which are asked beside it: decided from a plan, without PostgreSQL."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from webapp.core.errors import NotFound
from webapp.experiments.models import Arm, Experiment
from webapp.serving.models import Deployment

NUM_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Share:
    """An arm that traffic can fall into: `deployment` answers it. `arm` is None once it was stopped: its users are the control's guests,
    and count for nobody."""

    deployment: Deployment
    num_parts: int
    arm: str | None


@dataclass(frozen=True, slots=True)
class Shadow:
    """A deployment to ask beside the one that answers, once the answer has gone out; nobody is shown what it says."""

    deployment: Deployment
    arm: str
    num_parts: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a project's traffic is answered now. `experiment` is None, and `shares` and `shadows` are empty, while none runs."""

    deployments: dict[str, Deployment]
    default: Deployment | None
    experiment: str | None = None
    salt: str = ""
    shares: tuple[Share, ...] = ()
    shadows: tuple[Shadow, ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """`experiment` and `arm` are what `Served` of the impression says. `shadows` were drawn for this one request."""

    deployment: Deployment
    revision: int
    experiment: str | None = None
    arm: str | None = None
    shadows: tuple[Shadow, ...] = ()


def choose(plan: Plan, user_id: str, name: str | None = None, draw: Callable[[], float] = random.random) -> Chosen:
    """The named deployment; else the running experiment's arm for this user, the same at every call; else the default.

    Nobody ("") is in no experiment: they would all fall into one arm. `draw` answers numbers in [0, 1). Raises `NotFound`.
    """
    if name is not None:
        if name not in plan.deployments:
            raise NotFound(f"There is no active deployment {name!r}.", code="no_deployment")
        return Chosen(plan.deployments[name], plan.deployments[name].revision)
    shadows = tuple([one for one in plan.shadows if draw() * NUM_PARTS < one.num_parts])
    if plan.shares and user_id:
        part = part_of(plan.salt, user_id)
        for share in plan.shares:
            if part < share.num_parts:
                return Chosen(share.deployment, share.deployment.revision, plan.experiment, share.arm, shadows)
            part -= share.num_parts
    if plan.default is None:
        raise NotFound("Nothing is deployed: PUT /api/v1/deployments/{name} first.", code="no_deployment")
    return Chosen(plan.default, plan.default.revision, shadows=shadows)


def part_of(salt: str, user_id: str) -> int:
    """A user's place in 0..9,999, uniform over users and independent between salts."""
    digest = hashlib.blake2b(user_id.encode(), key=salt.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % NUM_PARTS


def plan_of(deployments: dict[str, Deployment], experiment: Experiment | None, arms: list[Arm]) -> Plan:
    """`deployments` by name and `arms` with theirs, active ones alone; `arms` in the order in which they were made."""
    default = next((one for one in deployments.values() if one.is_default), None)
    if experiment is None:
        return Plan(deployments, default)
    control = next((arm.deployment for arm in arms if arm.is_control), None) or default
    shares, shadows = [], []
    for arm in arms:
        if arm.deployment is None:
            continue
        if arm.kind == Arm.Kind.SHADOW:
            if not arm.is_stopped:
                shadows.append(Shadow(arm.deployment, arm.name, arm.share))
        elif arm.is_stopped and control is not None:
            shares.append(Share(control, arm.share, None))
        else:
            shares.append(Share(arm.deployment, arm.share, arm.name))
    return Plan(deployments, default, experiment.name, experiment.salt, tuple(shares), tuple(shadows))
