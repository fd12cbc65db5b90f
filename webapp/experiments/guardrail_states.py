"""Where each guardrail of an experiment stands with each arm: waiting for users, holding, or broken.

Kept in `Experiment.results` as [{"metric", "harm", "tolerance", "arm", "state", "num_users", "min_users", "relative_low",
"relative_high"}]. `state` is `waiting`, `holding` or `broken`; the two ends are where the arm is relative to the control, at the share of
alpha that this comparison has, null while that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webapp.experiments.models import Arm, Experiment, Guardrail
from webapp.experiments.statistics import Estimate, Interval, contrast

Estimates = dict[str, Estimate]

Comparing = tuple[Arm, list[Arm], list[Guardrail], float]
"""The control, the arms that are watched, the guardrails, and the alpha of each comparison."""


def comparing_of(experiment: Experiment) -> Comparing | None:
    """None when there is nothing to watch. A hold-out is not watched, for it is meant to do without."""
    control = next((arm for arm in experiment.arms.all() if arm.is_control), None)
    watched = [arm for arm in experiment.arms.all() if arm.kind == Arm.Kind.TRAFFIC and not arm.is_control]
    rails = list(experiment.guardrails.all())
    if control is None or not watched or not rails:
        return None
    return control, watched, rails, experiment.alpha / (len(watched) * len(rails))


def found_of(rail: Guardrail, arm: Estimate, control: Estimate, alpha: float) -> Interval | None:
    """The arm less what the guardrail lets it have of the control's value; None while there are too few."""
    factor = 1 - rail.tolerance if rail.harm == Guardrail.Harm.DECREASE else 1 + rail.tolerance
    return contrast(arm, control, alpha, factor=factor)


def is_broken(rail: Guardrail, found: Interval) -> bool:
    """Whether the arm is surely beyond what it may have."""
    return found.high < 0 if rail.harm == Guardrail.Harm.DECREASE else found.low > 0


def rail_states(*, experiment: Experiment, found: Mapping[str, Estimates]) -> list[dict[str, Any]]:
    """Every guardrail with every arm that it watches, by the arms' estimates."""
    comparing = comparing_of(experiment)
    if comparing is None:
        return []
    control, watched, rails, alpha = comparing
    theirs = found.get(control.name, {})
    return [_state(rail, arm, found.get(arm.name, {}), theirs, alpha) for rail in rails for arm in watched]


def _state(rail: Guardrail, arm: Arm, ours: Estimates, theirs: Estimates, alpha: float) -> dict[str, Any]:
    mine, control = ours.get(rail.metric), theirs.get(rail.metric)
    state: dict[str, Any] = {
        "metric": rail.metric,
        "harm": rail.harm,
        "tolerance": rail.tolerance,
        "arm": arm.name,
        "state": "waiting",
        "num_users": min(mine.num, control.num) if mine and control else 0,
        "min_users": rail.min_users,
        "relative_low": None,
        "relative_high": None,
    }
    if mine is None or control is None:
        return state
    plain = contrast(mine, control, alpha)
    if plain is not None and control.value > 0:
        state |= {"relative_low": plain.low / control.value, "relative_high": plain.high / control.value}
    beyond = found_of(rail, mine, control, alpha)
    if beyond is not None and state["num_users"] >= rail.min_users:
        state["state"] = "broken" if is_broken(rail, beyond) else "holding"
    return state
