"""Guardrails: an arm that is surely worse than the control by more than it may be is stopped, and says why."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from webapp.experiments.guardrail_states import Estimates, comparing_of, found_of, is_broken
from webapp.experiments.models import Arm, Experiment, Guardrail
from webapp.experiments.services import arm_stop

logger = logging.getLogger(__name__)

NUM_DIGITS = 6


def guard(*, experiment: Experiment, found: Mapping[str, Estimates]) -> list[Arm]:
    """Stop what breaks a guardrail, by the estimates of each arm; answers the arms stopped now.

    The chance that an arm which is no worse is ever stopped is at most the experiment's alpha for all guardrails and arms together: each
    comparison has its share. A hold-out is not watched, for it is meant to do without.
    """
    if not experiment.is_running:
        return []
    comparing = comparing_of(experiment)
    if comparing is None:
        return []
    control, watched, rails, alpha = comparing
    stopped = []
    for arm in watched:
        if arm.is_stopped:
            continue
        for rail in rails:
            why = _broken(rail, found.get(arm.name, {}), found.get(control.name, {}), alpha)
            if why and arm_stop(arm=arm, why=why):
                logger.warning("%s: the guardrail on %s stopped the arm %s", experiment.name, rail.metric, arm.name)
                stopped.append(arm)
                break
    return stopped


def _broken(rail: Guardrail, arm: Estimates, control: Estimates, alpha: float) -> dict[str, Any] | None:
    """What the guardrail saw, when it must act."""
    if rail.metric not in arm or rail.metric not in control:
        return None
    ours, theirs = arm[rail.metric], control[rail.metric]
    if min(ours.num, theirs.num) < rail.min_users:
        return None
    found = found_of(rail, ours, theirs, alpha)
    if found is None or not is_broken(rail, found):
        return None
    return {
        "by": "guardrail",
        "metric": rail.metric,
        "harm": rail.harm,
        "tolerance": rail.tolerance,
        "arm_value": round(ours.value, NUM_DIGITS),
        "control_value": round(theirs.value, NUM_DIGITS),
        "low": round(found.low, NUM_DIGITS),
        "high": round(found.high, NUM_DIGITS),
        "arm_users": ours.num,
        "control_users": theirs.num,
        "alpha": alpha,
    }
