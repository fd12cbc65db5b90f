"""Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): good, and unlike what was chosen already."""

from __future__ import annotations

import numpy as np

from engine.ranking.reranking.chooser import SHUT, relevance
from engine.ranking.reranking.pool import Scores


class MarginalRelevance:
    """The greatest (1 - strength) · relevance - strength · likeness to the nearest chosen; while nothing is chosen, relevance alone.

    `scores` float32[m]; `likeness` float32[m + p, m + p], p more items may be in the answer from elsewhere.
    """

    def __init__(self, scores: Scores, strength: float, likeness: Scores) -> None:
        self._value = ((1.0 - strength) * relevance(scores)).astype(np.float32)
        self._loss = likeness[:, : scores.size] * np.float32(strength)
        self._nearest: Scores | None = None

    def best(self) -> int:
        value = self._value if self._nearest is None else self._value - self._nearest
        number = int(value.argmax())
        return number if self._value[number] > SHUT else -1

    def shut(self, number: int) -> None:
        self._value[number] = SHUT

    def add(self, number: int) -> None:
        if self._nearest is None:
            self._nearest = self._loss[number].copy()
        else:
            np.maximum(self._nearest, self._loss[number], out=self._nearest)
