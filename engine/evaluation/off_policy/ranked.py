"""What a deployment would have earned with the answers it would have given, from the log of another's answers and propensities.

The unit is a place of an answer. Item and place alone are taken to decide what it earns (the item-position model; Li, Abbasi-Yadkori,
Kveton, Muthukrishnan, Vinay and Wen, "Offline evaluation of ranking policies with click models", KDD 2018), so a logged place tells
something of the target where the target has the same item in the same place. The target's answer is one draw of it: an indicator in place
of its probability leaves the estimates unbiased.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.evaluation.intervals import Estimate, bootstrap

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

NUM_FOLDS: Final = 5
PRIOR_ACTIONS: Final = 5.0


@dataclass(frozen=True, slots=True)
class RankedLog:
    """n places of m answers. `answers` int64[n] numbers the answer, `users` int64[n] whose it was, `places` int64[n] from 0, `items`
    int64[n] what was shown there, `targets` int64[n] what the target has there (-1: nothing), both among the same items; `rewards`
    float64[n] what came of it, `propensities` float64[n] in (0, 1] how likely it was to be shown there."""

    answers: Codes
    users: Codes
    places: Codes
    items: Codes
    targets: Codes
    rewards: Floats
    propensities: Floats

    def __len__(self) -> int:
        return self.items.size

    @property
    def matches(self) -> npt.NDArray[np.bool_]:
        """Where the target shows the same."""
        return np.asarray(self.items == self.targets)


@dataclass(frozen=True, slots=True)
class RankedEstimates:
    """Rewards per answer. `logged` is what the log earned, `by_estimator` what the target would have: `ips`, `snips`, `dr`.

    `effective_size` is the number of answers of the target's own log that the matching places are worth (Kish, 1965), `match_share` the
    share of places where the target shows the same, `explored_share` the share of places that were not certain to be shown.
    """

    logged: Estimate
    by_estimator: dict[str, Estimate]
    effective_size: float
    match_share: float
    explored_share: float


def ranked_estimates(log: RankedLog, *, seed: int) -> RankedEstimates:
    """Intervals are of a bootstrap over users. With w = 1{target shows the same} / propensity, for each answer:

    - `ips`: mean of Σ_places w·r (Horvitz and Thompson, 1952).
    - `snips`: for each place Σ w·r / Σ w over answers, summed over places (Swaminathan and Joachims, NIPS 2015).
    - `dr`: mean of Σ_places q(target) + w·(r - q(shown)) (Dudík, Langford and Li, ICML 2011), q from the other users: clicks over
      expected clicks of the item, times what the place earns.

    Raises ValueError for a log without places, or a propensity that is none.
    """
    if not len(log):
        raise ValueError("the log has no places")
    if not ((log.propensities > 0) & (log.propensities <= 1)).all():
        raise ValueError("propensities must be in (0, 1]")
    weights = log.matches / log.propensities
    shown, target = expected_rewards(log)
    robust = target + weights * (log.rewards - shown)
    num_answers = np.zeros(len(log))
    num_answers[np.unique(log.answers, return_index=True)[1]] = 1.0

    def per_answer(values: Floats) -> Estimate:
        return bootstrap(np.stack([values, num_answers], axis=1), _quotient, seed=seed, groups=log.users)

    return RankedEstimates(
        logged=per_answer(log.rewards),
        by_estimator={
            "ips": per_answer(weights * log.rewards),
            "snips": _self_normalised(log, weights, seed),
            "dr": per_answer(robust),
        },
        effective_size=_effective_size(log, weights),
        match_share=float(log.matches.mean()),
        explored_share=float((log.propensities < 1.0).mean()),
    )


def expected_rewards(log: RankedLog) -> tuple[Floats, Floats]:
    """float64[n] twice: what the items shown, and those of the target, are expected to earn, by what other users did. Nothing where the
    target shows nothing."""
    folds = np.random.default_rng(0).integers(NUM_FOLDS, size=int(log.users.max()) + 1)[log.users]
    num_items = int(max(log.items.max(), log.targets.max())) + 1
    num_places = int(log.places.max()) + 1
    shown, target = np.zeros(len(log)), np.zeros(len(log))
    for fold in range(NUM_FOLDS):
        inside, outside = folds == fold, folds != fold
        earned = np.bincount(log.places[outside], weights=log.rewards[outside], minlength=num_places)
        rates = earned / np.maximum(np.bincount(log.places[outside], minlength=num_places), 1)
        expected = np.bincount(log.items[outside], weights=rates[log.places[outside]], minlength=num_items)
        got = np.bincount(log.items[outside], weights=log.rewards[outside], minlength=num_items)
        lift = (got + PRIOR_ACTIONS) / (expected + PRIOR_ACTIONS)
        shown[inside] = rates[log.places[inside]] * lift[log.items[inside]]
        target[inside] = np.where(
            log.targets[inside] >= 0, rates[log.places[inside]] * lift[np.maximum(log.targets[inside], 0)], 0.0
        )
    return shown, target


def _self_normalised(log: RankedLog, weights: Floats, seed: int) -> Estimate:
    """A place that never matched earns what nobody knows, and counts as nothing. A place that fewer answers have counts by their share."""
    num_places = int(log.places.max()) + 1
    num_answers = np.unique(log.answers).size
    of_place = np.bincount(log.places, minlength=num_places) / num_answers
    columns = np.zeros((len(log), 2 * num_places))
    rows = np.arange(len(log))
    columns[rows, log.places] = weights * log.rewards
    columns[rows, num_places + log.places] = weights

    def value(sums: Floats) -> Floats:
        earned, worth = sums[:, :num_places], sums[:, num_places:]
        rates = np.divide(earned, worth, out=np.zeros_like(earned), where=worth > 0)
        return np.asarray(rates @ of_place)

    return bootstrap(columns, value, seed=seed, groups=log.users)


def _effective_size(log: RankedLog, weights: Floats) -> float:
    """Of the places, brought to answers by how many places an answer has."""
    squared = float((weights**2).sum())
    if squared == 0:
        return 0.0
    num_answers = np.unique(log.answers).size
    return float(weights.sum()) ** 2 / squared * num_answers / len(log)


def _quotient(sums: Floats) -> Floats:
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1e-300))
