"""Estimators of a target policy's value from a log of another one's choices, with bootstrap intervals."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from engine.evaluation.intervals import Estimate, bootstrap
from engine.evaluation.off_policy.log import ChoiceLog

Floats = npt.NDArray[np.float64]

ESTIMATORS: Final = ("ips", "snips", "dm", "dr")


def estimates(log: ChoiceLog, target: Floats, predicted: Floats, *, seed: int) -> dict[str, Estimate]:
    """The value (mean reward) of a policy that would have chosen otherwise.

    target float64[n, num_items]: the probability with which it chooses each item in each row's place; predicted float64[n, num_items]:
    the reward that a model expects, which must not have learned from the row. With w = target / propensity of what was chosen:

    - `ips`: mean w·r (Horvitz and Thompson, 1952). Unbiased where the log chose everything that the target would.
    - `snips`: Σ w·r / Σ w (Swaminathan and Joachims, NIPS 2015). A little biased, far less spread.
    - `dm`: mean Σ_a target_a · predicted_a. As good as the model, whose own error is not in the interval.
    - `dr`: mean of dm's row + w·(r - predicted of what was chosen) (Dudík et al., ICML 2011). Unbiased as ips, less spread the better
      the model.

    Raises ValueError when a row of `target` is no distribution.
    """
    if target.min(initial=0) < 0 or not np.allclose(target.sum(axis=1), 1.0, atol=1e-6):
        raise ValueError("target: every row must hold probabilities that add up to 1")
    rows = np.arange(len(log))
    weights = target[rows, log.items] / log.propensities
    direct = (target * predicted).sum(axis=1)
    robust = direct + weights * (log.rewards - predicted[rows, log.items])
    ones = np.ones(len(log))
    columns = {
        "ips": (weights * log.rewards, ones),
        "snips": (weights * log.rewards, weights),
        "dm": (direct, ones),
        "dr": (robust, ones),
    }
    return {name: _ratio(above, below, seed) for name, (above, below) in columns.items()}


def effective_size(log: ChoiceLog, target: Floats) -> float:
    """(Σ w)² / Σ w²: how many rows of the target's own log these are worth (Kish, 1965)."""
    weights = target[np.arange(len(log)), log.items] / log.propensities
    return float(weights.sum() ** 2 / np.maximum((weights**2).sum(), 1e-300))


def on_policy(log: ChoiceLog, *, seed: int) -> Estimate:
    """The mean reward of the policy that wrote the log."""
    return _ratio(log.rewards, np.ones(len(log)), seed)


def _ratio(above: Floats, below: Floats, seed: int) -> Estimate:
    def mean(sums: Floats) -> Floats:
        quotient: Floats = sums[:, 0] / np.maximum(sums[:, 1], 1e-300)
        return quotient

    return bootstrap(np.stack([above, below], axis=1), mean, seed=seed)
