"""A generated stream shaped like Criteo's display ads: 26 categorical columns of its cardinalities, 13 numbers, clicks.

Ids are Zipf(1.05) by rank within each column. A click's odds are a sum of hidden weights of the ids, so there is
something to learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CARDINALITIES = (
    1_460, 583, 10_131_227, 2_202_608, 305, 24, 12_517, 633, 3, 93_145, 5_683, 8_351_593, 3_194,
    27, 14_992, 5_461_306, 10, 5_652, 2_173, 4, 7_046_547, 18, 15, 286_181, 105, 142_572,
)  # fmt: skip
NUM_SLOTS = len(CARDINALITIES)
NUM_DENSE = 13
EXPONENT = 1.05
BASE_LOGIT = -1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """`ids` int64[n, 26], each within its column's cardinality; `dense` float32[n, 13]; `labels` float32[n] of 0.0 and 1.0."""

    ids: NDArray[np.int64]
    dense: NDArray[np.float32]
    labels: NDArray[np.float32]


def draw(num_rows: int, random: np.random.Generator) -> Batch:
    ids = np.stack([_zipf(cardinality, num_rows, random) for cardinality in CARDINALITIES], axis=1)
    odds = 1.0 / (1.0 + np.exp(-(BASE_LOGIT + _hidden_weights(ids).sum(axis=1))))
    dense = random.normal(size=(num_rows, NUM_DENSE)).astype(np.float32)
    return Batch(ids, dense, (random.random(num_rows) < odds).astype(np.float32))


def _zipf(cardinality: int, num: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Ranks 0 to cardinality - 1 by inverting the continuous power law's distribution function on [1, cardinality + 1)."""
    power = 1.0 - EXPONENT
    drawn = random.random(num)
    ranks = (1.0 + drawn * ((cardinality + 1.0) ** power - 1.0)) ** (1.0 / power)
    places: NDArray[np.int64] = np.minimum(ranks.astype(np.int64) - 1, cardinality - 1)
    return places


def _hidden_weights(ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """A weight in ±0.5 for each id of each column, by a multiplicative hash of both."""
    mixed: NDArray[np.uint64] = (ids * NUM_SLOTS + np.arange(1, NUM_SLOTS + 1)).astype(np.uint64)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    mixed ^= np.right_shift(mixed, np.uint64(32))
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    weights: NDArray[np.float64] = np.right_shift(mixed, np.uint64(11)).astype(np.float64) / 2**53 - 0.5
    return weights
