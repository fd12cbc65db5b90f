"""Hyper-parameter search with Optuna: what to try next, given what was tried, and when to give a trial up.

Nothing is kept here: whoever searches stores the outcomes and gives them back, so that a search can go on after any end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import optuna
import orjson
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from engine.spec.search import Choice, LogRange, SearchSettings, Varied

STARTUP_TRIALS: Final = 5
"""So many trials are random and none is given up, before what was learned counts."""

_SEED_STRIDE: Final = 100_003


class OutcomeState(StrEnum):
    """What became of a trial."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trial that is over: its values by path, as JSON; the metric; and the metric at each rung."""

    params: dict[str, Any]
    state: OutcomeState
    value: float | None = None
    rungs: dict[int, float] = field(default_factory=dict)


_STATES: Final = {
    OutcomeState.COMPLETE: TrialState.COMPLETE,
    OutcomeState.PRUNED: TrialState.PRUNED,
    OutcomeState.FAILED: TrialState.FAIL,
}


class NextTrial:
    """The trial after `outcomes` (all that are over, oldest first): the same values for the same settings and outcomes.

    The sampler is a tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), seeded for each trial by its number, so that a
    search that was interrupted draws what it would have drawn.
    """

    def __init__(self, settings: SearchSettings, outcomes: Sequence[Outcome]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._distributions = {each.path: _distribution(each) for each in settings.varies}
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if settings.prunes:
            pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS)
        study = optuna.create_study(
            direction="minimize" if settings.metric.falls else "maximize",
            sampler=optuna.samplers.TPESampler(
                n_startup_trials=STARTUP_TRIALS, seed=settings.seed + _SEED_STRIDE * len(outcomes)
            ),
            pruner=pruner,
        )
        for outcome in outcomes:
            study.add_trial(self._frozen(outcome))
        self._trial = study.ask(self._distributions)

    @property
    def params(self) -> dict[str, Any]:
        """A JSON value for each path."""
        return {path: _from_optuna(self._distributions[path], value) for path, value in self._trial.params.items()}

    def should_give_up(self, rung: int, value: float | None) -> bool:
        """Note the metric at a rung; whether it is worse there than the median of those that came as far."""
        if value is None:
            return False
        self._trial.report(value, rung)
        return self._trial.should_prune()

    def _frozen(self, outcome: Outcome) -> optuna.trial.FrozenTrial:
        complete = outcome.state is OutcomeState.COMPLETE and outcome.value is not None
        return optuna.trial.create_trial(
            state=_STATES[outcome.state] if complete or outcome.state is not OutcomeState.COMPLETE else TrialState.FAIL,
            value=outcome.value if complete else None,
            params={
                path: _to_optuna(distribution, outcome.params[path])
                for path, distribution in self._distributions.items()
            },
            distributions=self._distributions,
            intermediate_values=outcome.rungs,
        )


def _distribution(varied: Varied) -> BaseDistribution:
    if isinstance(varied, Choice):
        return CategoricalDistribution([_word(value) for value in varied.values])
    log = isinstance(varied, LogRange)
    if varied.is_whole:
        return IntDistribution(int(varied.low), int(varied.high), log=log)
    return FloatDistribution(varied.low, varied.high, log=log)


def _from_optuna(distribution: BaseDistribution, value: Any) -> Any:
    """Choices are JSON texts to Optuna, which knows no lists."""
    return orjson.loads(value) if isinstance(distribution, CategoricalDistribution) else value


def _to_optuna(distribution: BaseDistribution, value: Any) -> Any:
    return _word(value) if isinstance(distribution, CategoricalDistribution) else value


def _word(value: Any) -> str:
    """The same for the same value, whatever the order of the keys that it was stored with."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
