"""Target policies, and models of the reward."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.evaluation.off_policy.log import ChoiceLog

Floats = npt.NDArray[np.float64]

_PRIOR_ROWS = 50.0


def uniform(log: ChoiceLog) -> Floats:
    """Every item with the same probability, float64[n, num_items]."""
    return np.full((len(log), log.num_items), 1.0 / log.num_items)


def as_chosen_in(log: ChoiceLog, other: ChoiceLog) -> Floats:
    """For each row the shares with which `other` chose the items in the same stratum, float64[n, num_items].

    That is its policy averaged over time. (The mean of its propensities is not: it is taken over what was chosen, which favours the
    moments at which an item was likely.) A stratum that `other` never saw gets its shares overall.
    """
    shape = len(log.stratum_ids), log.num_items
    cells = other.strata.astype(np.int64) * log.num_items + other.items
    counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, counts / np.maximum(totals, 1.0), counts.sum(axis=0) / max(counts.sum(), 1.0))
    chances: Floats = shares[log.strata]
    return chances


def greedy(scores: Floats, epsilon: float) -> Floats:
    """The item of the highest score with probability 1 - ε, any item with ε in all, float64[n, num_items]."""
    if not 0 < epsilon <= 1:
        raise ValueError(f"epsilon must be above 0 and at most 1, received {epsilon}")
    chances = np.full(scores.shape, epsilon / scores.shape[1])
    chances[np.arange(scores.shape[0]), scores.argmax(axis=1)] += 1.0 - epsilon
    return chances


def folds_of(num_rows: int, num_folds: int, seed: int) -> npt.NDArray[np.int64]:
    """int64[n]: a random fold for each row, of sizes that differ by one at most."""
    return np.random.default_rng(seed).permutation(np.arange(num_rows) % num_folds)


def reward_rates(log: ChoiceLog, folds: npt.NDArray[np.int64]) -> Floats:
    """float64[n, num_items]: the mean reward of each item in the row's stratum, from the rows of other folds.

    Drawn towards the item's mean, and that towards the mean of all, as `_PRIOR_ROWS` rows more would.
    """
    predicted = np.empty((len(log), log.num_items))
    for fold in np.unique(folds):
        learned = folds != fold
        items, rewards = log.items[learned], log.rewards[learned]
        mean = rewards.mean() if rewards.size else 0.0
        sums, counts = np.bincount(items, rewards, log.num_items), np.bincount(items, minlength=log.num_items)
        of_items = (sums + _PRIOR_ROWS * mean) / (counts + _PRIOR_ROWS)
        shape = len(log.stratum_ids), log.num_items
        cells = log.strata[learned].astype(np.int64) * log.num_items + items
        sums = np.bincount(cells, rewards, shape[0] * shape[1]).reshape(shape)
        counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
        rates = (sums + _PRIOR_ROWS * of_items) / (counts + _PRIOR_ROWS)
        predicted[folds == fold] = rates[log.strata[folds == fold]]
    return predicted
