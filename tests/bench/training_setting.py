"""What everybody in `make bench-training` has alike: shapes, rates, threads, and what a contestant can do. Imports NumPy alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.criteo_like import NUM_DENSE, NUM_SLOTS, Batch, Ids

DIM = 16
HIDDEN = (256, 128, 64)
BATCH = 2_048
EMBEDDING_RATE, DENSE_RATE = 0.05, 0.01
INITIAL_ACCUMULATOR = 0.1
NUM_CORES = 2
TABLE_ROWS = 4_000_000
"""Of those who have one array and no keys: ten million ids collide in it, which makes it faster, not slower."""
WIDTH = NUM_SLOTS * DIM + NUM_DENSE
LAYERS = tuple(zip((WIDTH, *HIDDEN), (*HIDDEN, 1), strict=True))
"""Inputs and outputs of the network's layers."""


class Learner(ABC):
    """One contestant, made for one stream."""

    @abstractmethod
    def prepared(self, batch: Batch) -> Any:
        """What it learns from: ids hashed and arrays handed to its framework, before any clock starts."""

    @abstractmethod
    def learn(self, prepared: Any) -> float | None:
        """The mean loss of the batch before the update; None of who does not learn."""

    def learn_all(self, prepared: Sequence[Any]) -> list[float | None]:
        """The losses of batches that are all there, one after the other."""
        return [self.learn(each) for each in prepared]

    def fill(self, ids: Ids) -> None:  # noqa: B027 - most have nothing to do
        """Has a row for every id of the stream, where rows are otherwise made as ids are met."""

    def figures(self) -> dict[str, float]:
        """What it counted of itself since it was made."""
        return {}


def hashed_rows(batch: Batch) -> NDArray[np.int64]:
    """A row of `TABLE_ROWS` for each id of each column, int64[n, 26]."""
    mixed = (batch.ids * NUM_SLOTS + np.arange(NUM_SLOTS)).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    rows: NDArray[np.int64] = ((mixed >> np.uint64(32)) % np.uint64(TABLE_ROWS)).astype(np.int64)
    return rows


def initial_table(num_rows: int) -> NDArray[np.float32]:
    """Uniform in ±0.01, as Freshet's rows begin: float32[num_rows, 16]."""
    vectors = np.random.default_rng(17).random((num_rows, DIM), np.float32)
    vectors -= np.float32(0.5)
    vectors *= np.float32(0.02)
    return vectors
