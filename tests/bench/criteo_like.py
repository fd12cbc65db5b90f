"""Generated streams shaped like Criteo's display ads: 26 categorical columns, 13 numbers, clicks; ten million distinct ids in all.

`zipf`: columns of Criteo's cardinalities, the five largest scaled down, drawn as Zipf(1.05) by rank. `uniform`: as many
ids in 26 equal columns, each as likely. A click's odds are a sum of hidden weights of the ids, so there is something to learn.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

NUM_IDS = 10_000_000
NUM_SLOTS, NUM_DENSE = 26, 13
EXPONENT = 1.05
BASE_LOGIT = -1.0
_CARDINALITIES = (
    1_460, 583, 2_878_432, 625_794, 305, 24, 12_517, 633, 3, 93_145, 5_683, 2_372_812, 3_194,
    27, 14_992, 1_551_638, 10, 5_652, 2_173, 4, 2_002_029, 18, 15, 286_181, 105, 142_572,
)  # fmt: skip


class Ids(StrEnum):
    """How ids are drawn."""

    ZIPF = "zipf"
    UNIFORM = "uniform"


@dataclass(frozen=True, slots=True)
class Batch:
    """`ids` int64[n, 26], each within its column's cardinality; `dense` float32[n, 13]; `labels` float32[n] of 0.0 and 1.0."""

    ids: NDArray[np.int64]
    dense: NDArray[np.float32]
    labels: NDArray[np.float32]


def cardinalities(kind: Ids) -> NDArray[np.int64]:
    """How many ids each column has, int64[26]; ten million together."""
    equal = [NUM_IDS // NUM_SLOTS] * NUM_SLOTS
    counts = np.array(equal if kind is Ids.UNIFORM else _CARDINALITIES, np.int64)
    counts[counts.argmax()] += NUM_IDS - counts.sum()
    return counts


def stream(kind: Ids, batch_size: int, seed: int) -> Iterator[Batch]:
    """Batches without end, the same for the same seed in every version of NumPy that a contestant brings."""
    random = np.random.default_rng(seed)
    while True:
        yield draw(kind, batch_size, random)


def draw(kind: Ids, num_rows: int, random: np.random.Generator) -> Batch:
    columns = [_drawn(kind, int(count), random.random(num_rows)) for count in cardinalities(kind)]
    ids = np.stack(columns, axis=1)
    odds = 1.0 / (1.0 + np.exp(-(BASE_LOGIT + _hidden_weights(ids).sum(axis=1))))
    dense = random.normal(size=(num_rows, NUM_DENSE)).astype(np.float32)
    return Batch(ids, dense, (random.random(num_rows) < odds).astype(np.float32))


def checksum(batches: list[Batch]) -> int:
    """Of ids and labels: contestants that answer the same one met the same stream."""
    found = 0
    for batch in batches:
        for part in (batch.ids, batch.labels):
            found = zlib.crc32(np.ascontiguousarray(part).tobytes(), found)
    return found


def _drawn(kind: Ids, cardinality: int, drawn: NDArray[np.float64]) -> NDArray[np.int64]:
    """Ranks 0 to cardinality - 1; Zipf by inverting the continuous power law's distribution function on [1, cardinality + 1)."""
    if kind is Ids.UNIFORM:
        ranks = drawn * cardinality
    else:
        power = 1.0 - EXPONENT
        ranks = (1.0 + drawn * ((cardinality + 1.0) ** power - 1.0)) ** (1.0 / power) - 1.0
    places: NDArray[np.int64] = np.minimum(ranks.astype(np.int64), cardinality - 1)
    return places


def _hidden_weights(ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """A weight in ±0.5 for each id of each column, by a multiplicative hash of both."""
    mixed: NDArray[np.uint64] = (ids * NUM_SLOTS + np.arange(1, NUM_SLOTS + 1)).astype(np.uint64)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    mixed ^= np.right_shift(mixed, np.uint64(32))
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    weights: NDArray[np.float64] = np.right_shift(mixed, np.uint64(11)).astype(np.float64) / 2**53 - 0.5
    return weights
