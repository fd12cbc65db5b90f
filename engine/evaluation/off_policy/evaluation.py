"""Every estimator on one log, for several target policies, beside the truth where another log has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.evaluation.findings import Findings
from engine.evaluation.intervals import Estimate
from engine.evaluation.off_policy.estimators import effective_size, estimates, on_policy
from engine.evaluation.off_policy.log import ChoiceLog
from engine.evaluation.off_policy.policies import as_chosen_in, folds_of, greedy, reward_rates, uniform
from engine.evaluation.off_policy.trained import trained_rewards
from engine.spec.definition import ModelDefinition

Floats = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class OffPolicyPlan:
    """`epsilon`: of the greedy policy of Freshet's model. `num_folds`: a row's reward is predicted by what the other folds taught."""

    seed: int = 17
    num_folds: int = 3
    epsilon: float = 0.2
    definition: ModelDefinition | None = None


def evaluate_off_policy(
    log: ChoiceLog, other: ChoiceLog | None, plan: OffPolicyPlan, on_progress: Progress = lambda *_: None
) -> Findings:
    """`other` is a log of another policy: then that policy's value is estimated from `log` too, and is known.

    Targets: choosing uniformly; as `other` chose; and greedily by a model of Freshet's, which learned from the other folds.
    """
    findings = Findings("The mean reward that other policies would have had, estimated from the log of one")
    folds = folds_of(len(log), plan.num_folds, plan.seed)
    on_progress("models", 0, len(log))
    learned = trained_rewards(log, folds, plan.definition, plan.seed)
    on_progress("models", len(log), len(log))
    models = {"rates": reward_rates(log, folds), "freshet": learned}
    logged = on_policy(log, seed=plan.seed)
    findings.add("the log's own policy", {"known": logged, "effective_size": float(len(log))})
    targets: dict[str, tuple[Floats, Estimate | None]] = {"uniform": (uniform(log), None)}
    if other is not None:
        targets["as the other log"] = (as_chosen_in(log, other), on_policy(other, seed=plan.seed))
    targets[f"freshet, greedy but for {plan.epsilon:g}"] = (greedy(learned, plan.epsilon), None)
    for name, (target, known) in targets.items():
        by_model = {model: estimates(log, target, predicted, seed=plan.seed) for model, predicted in models.items()}
        first = by_model["rates"]
        findings.add(
            name,
            {
                "known": known,
                "ips": first["ips"],
                "snips": first["snips"],
                **{f"{kind}_{model}": by_model[model][kind] for kind in ("dm", "dr") for model in models},
                "effective_size": effective_size(log, target),
            },
        )
    findings.values |= {
        "num_rows": len(log),
        "num_rewards": float(log.rewards.sum()),
        "num_items": log.num_items,
        "seed": plan.seed,
        "num_folds": plan.num_folds,
    }
    return findings
